//! The zip container of torch's archives: the central directory, and entries that stay slices of the mapped file.
//!
//! torch writes sizes and checksums into the central directory only, always with zip64 records and nothing behind
//! them; tensors are stored, code is deflated. So a local header is used for where its data begins and must not
//! contradict the directory, and whatever two readers could read differently (entries that overlap or share a name,
//! bytes behind the end) is refused.

use crate::error::{Error, ErrorCode, Result, ResultExt};
use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use indexmap::IndexMap;
use std::ops::Range;

/// How much a deflated entry of some size may grow; the highest ratio in a hundred real archives was 8.
const GROWTH: usize = 50;
/// How much an entry may grow at all: the highest ratio of the deflate format.
const DEFLATE_LIMIT: usize = 1032;
/// Entries up to this size may grow as they like: a file of blanks does.
const SMALL: usize = 64 << 10;
/// What all deflated entries together may come to, beside twice the file.
const INFLATED: usize = 32 << 20;

/// A zip file: its entries by name, without the top folder.
#[derive(Debug)]
pub(crate) struct Archive {
    bytes: Bytes,
    entries: IndexMap<String, ZipEntry>,
}

/// Where an entry stands and what it comes to.
#[derive(Clone, Debug)]
struct ZipEntry {
    /// The local header and the data.
    span: Range<usize>,
    /// The data as the file has it.
    data: Range<usize>,
    /// The bytes that it holds.
    size: usize,
    deflated: bool,
    /// Zero where the writer left it out (torch's `set_crc32_options(False)`).
    crc: u32,
}

impl Archive {
    /// Reads the directory. Nothing is inflated, nothing copied.
    ///
    /// # Errors
    /// [`NotAModel`](ErrorCode::NotAModel) where this is no zip file, [`Damaged`](ErrorCode::Damaged) where it contradicts itself,
    /// [`Unsupported`](ErrorCode::Unsupported) where it is encrypted or compressed by another method than deflate,
    /// [`TooBig`](ErrorCode::TooBig) where it would inflate beyond reason.
    pub(crate) fn open(bytes: Bytes) -> Result<Archive> {
        let named = Archive::listed(&bytes)?;
        // The folder is named after the file that was written, `archive` or whatever else: the first entry says.
        let top = named.first().and_then(|(name, _)| name.split_once('/')).map_or("", |(top, _)| top);
        let top = match format!("{top}/") {
            top if named.iter().all(|(name, _)| name.starts_with(&top)) => top,
            _ => String::new(),
        };
        let archive = Archive::of(bytes, named, top.len(), GROWTH)?;
        let all = archive.entries.values().filter(|entry| entry.deflated).fold(0usize, |all, entry| all.saturating_add(entry.size));
        if all > archive.bytes.len().saturating_mul(2).saturating_add(INFLATED) {
            return Err(Error::too_big(format!("{} bytes that inflate to {all}", archive.bytes.len())));
        }
        Ok(archive)
    }

    /// As [`Archive::open`] for a file of arrays: entries keep their whole names, and may inflate as far as the format can.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub(crate) fn open_arrays(bytes: Bytes) -> Result<Archive> {
        let named = Archive::listed(&bytes)?;
        Archive::of(bytes, named, 0, DEFLATE_LIMIT)
    }

    /// The entries in the order of the directory.
    fn listed(bytes: &Bytes) -> Result<Vec<(String, ZipEntry)>> {
        let (directory, count) = directory(bytes)?;
        let mut named = Vec::with_capacity(count);
        let mut at = directory.start;
        for _ in 0..count {
            let (name, entry, next) = entry(bytes, at, &directory)?;
            named.push((name, entry));
            at = next;
        }
        if at != directory.end {
            return Err(Error::damaged("the zip directory is longer than its entries"));
        }
        Ok(named)
    }

    /// The archive of these entries, without the first `top` bytes of their names; none may inflate to more than `growth` times its size.
    fn of(bytes: Bytes, named: Vec<(String, ZipEntry)>, top: usize, growth: usize) -> Result<Archive> {
        let mut entries = IndexMap::with_capacity(named.len());
        for (name, entry) in named {
            let name = &name[top..];
            let folder = name.is_empty() || name.ends_with('/');
            if !(folder && entry.size == 0) && entries.insert(name.to_string(), entry).is_some() {
                return Err(Error::damaged(format!("duplicate zip entry `{}`", name.escape_default())));
            }
        }
        let archive = Archive { bytes, entries };
        archive.check_spans()?;
        archive.check_sizes(growth)?;
        Ok(archive)
    }

    /// Entries that share bytes would be read twice for once, the oldest way to make a small file large.
    fn check_spans(&self) -> Result<()> {
        let mut spans: Vec<_> = self.entries.values().map(|entry| (entry.span.start, entry.span.end)).collect();
        spans.sort_unstable();
        match spans.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            true => Err(Error::damaged("overlapping zip entries")),
            false => Ok(()),
        }
    }

    fn check_sizes(&self, growth: usize) -> Result<()> {
        for (name, entry) in self.entries.iter().filter(|(_, entry)| entry.deflated) {
            let most = entry.data.len().saturating_mul(growth).max(SMALL);
            if entry.size > most {
                return Err(Error::too_big(format!("{} bytes that inflate to {}", entry.data.len(), entry.size)).at(name.escape_default()));
            }
        }
        Ok(())
    }

    /// The names of the entries, in the order of the directory.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is such an entry.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The size of the file.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of an entry, all of them read once to try the checksum: for programs, not for tensors.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) where there is no such entry, it does not inflate, or its checksum is wrong.
    pub(crate) fn read(&self, name: &str) -> Result<Bytes> {
        let (entry, bytes) = self.contents(name)?;
        let mut crc = Crc::new();
        crc.update(&bytes);
        if entry.crc != 0 && crc.sum() != entry.crc {
            return Err(Error::damaged("the checksum is wrong").at(name).help("copy or download the file again"));
        }
        Ok(bytes)
    }

    /// The bytes of an entry as they stand in the mapped file, none of which is touched: for tensors.
    ///
    /// A deflated entry is inflated, on every call anew.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) where there is no such entry or it does not inflate.
    pub(crate) fn slice(&self, name: &str) -> Result<Bytes> {
        self.contents(name).map(|(_, bytes)| bytes)
    }

    /// The text of an entry.
    ///
    /// # Errors
    /// As [`Archive::read`], and where it is no UTF-8.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        String::from_utf8(self.read(name)?.into()).map_err(|_| Error::damaged("no UTF-8").at(name))
    }

    /// Tries the checksum of every entry, which reads the whole file.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub(crate) fn verify(&self) -> Result<()> {
        self.names().try_for_each(|name| self.read(name).map(drop))
    }

    fn contents(&self, name: &str) -> Result<(&ZipEntry, Bytes)> {
        let entry = self.entries.get(name).ok_or_else(|| Error::damaged(format!("there is no entry `{}`", name.escape_default())))?;
        let data = self.bytes.slice(entry.data.clone());
        let bytes = if entry.deflated { inflate(&data, entry.size).at(name)? } else { data };
        Ok((entry, bytes))
    }
}

/// Inflates to exactly this size; no byte more is ever written.
fn inflate(data: &[u8], size: usize) -> Result<Bytes> {
    // One byte of room beyond what is due, so that the decoder reaches the end of its stream and too much shows.
    let mut inflated = Vec::with_capacity(size.saturating_add(1));
    let mut stream = Decompress::new(false);
    match stream.decompress_vec(data, &mut inflated, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if inflated.len() == size && stream.total_in() == data.len() as u64 => Ok(inflated.into()),
        Ok(_) => Err(Error::damaged(format!("a deflated entry does not have the stated size of {size} bytes"))),
        Err(error) => Err(Error::damaged(format!("a deflated entry cannot be decompressed: {error}"))),
    }
}

/// A little-endian number of `width` bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64> {
    let slice = at.checked_add(width).and_then(|end| bytes.get(at..end)).ok_or_else(cut)?;
    Ok(slice.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// A number of bytes, or an offset.
fn length(bytes: &[u8], at: usize, width: usize) -> Result<usize> {
    usize::try_from(number(bytes, at, width)?).map_err(|_| cut())
}

fn begins(bytes: &[u8], at: usize, magic: &[u8; 4]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

fn cut() -> Error {
    Error::damaged("a zip record extends beyond the file")
}

/// Where the central directory stands. The file must end with the directory's end record, which no comment follows.
///
/// Also says how many entries it has, which is no more than its size allows.
fn directory(bytes: &[u8]) -> Result<(Range<usize>, usize)> {
    let end = bytes.len().checked_sub(22).filter(|&at| begins(bytes, at, b"PK\x05\x06")).ok_or_else(|| {
        match begins(bytes, 0, b"PK\x03\x04") {
            true => Error::damaged("no zip directory at the end: the file is cut off, or something follows it")
                .help("copy or download the file again"),
            false => Error::new(ErrorCode::NotAModel, "not a zip file"),
        }
    })?;
    // Disk, disk of the directory, entries on this disk, entries, size, start, comment.
    let widths = [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)];
    let mut record = [0; 7];
    for (field, (at, width)) in record.iter_mut().zip(widths) {
        *field = number(bytes, end + at, width)?;
    }
    let mut limit = end;
    if let Some(locator) = end.checked_sub(20).filter(|&at| begins(bytes, at, b"PK\x06\x07")) {
        limit = length(bytes, locator + 8, 8)?;
        let ends = |size: usize| limit.checked_add(12)?.checked_add(size);
        if !begins(bytes, limit, b"PK\x06\x06") || ends(length(bytes, limit + 4, 8)?) != Some(locator) {
            return Err(Error::damaged("the zip64 record is not where it should be"));
        }
        // The wide record says all of it again; a narrow field either agrees or is full.
        let wide = [(16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)];
        for ((narrow, (_, width)), (at, wide)) in record.iter_mut().zip(widths).zip(wide) {
            let wide = number(bytes, limit + at, wide)?;
            let full = (1 << (8 * width)) - 1;
            if *narrow != full && *narrow != wide {
                return Err(Error::damaged("the zip and zip64 directory records contradict each other"));
            }
            *narrow = wide;
        }
    }
    let [disk, directory_disk, on_disk, count, size, start, comment] = record;
    let agree = disk == 0 && directory_disk == 0 && on_disk == count && comment == 0;
    if !agree || start.checked_add(size) != Some(limit as u64) || count > size / 46 {
        return Err(Error::damaged(format!(
            "invalid zip directory: {count} entries and {size} bytes at {start}, with {limit} bytes before its end"
        )));
    }
    Ok((limit - size as usize..limit, count as usize))
}

/// One entry of the directory: its name, where it stands, and where the next one begins.
fn entry(bytes: &[u8], at: usize, directory: &Range<usize>) -> Result<(String, ZipEntry, usize)> {
    let record = &bytes[..directory.end];
    if !begins(record, at, b"PK\x01\x02") {
        return Err(Error::damaged("the zip directory ends early"));
    }
    let (flags, method, crc) = (number(record, at + 8, 2)?, number(record, at + 10, 2)?, number(record, at + 16, 4)? as u32);
    let (name_length, extra_length, comment_length) =
        (length(record, at + 28, 2)?, length(record, at + 30, 2)?, length(record, at + 32, 2)?);
    let raw_name = record.get(at + 46..at + 46 + name_length).ok_or_else(cut)?;
    let name = std::str::from_utf8(raw_name).map_err(|_| Error::damaged("a zip entry name is not UTF-8"))?.to_string();
    let location = || name.escape_default();
    let extra = at + 46 + name_length..at + 46 + name_length + extra_length;
    let [stored, size, local] = wide_sizes(record, at, extra.clone()).at(location())?;
    // Bit 0 and bit 6: encrypted; bit 13: the directory itself is.
    if flags & 0x2041 != 0 {
        return Err(Error::unsupported("encrypted zip entries are not supported").at(location()));
    }
    let deflated = match method {
        0 => false,
        8 => true,
        other => return Err(Error::unsupported(format!("unsupported zip compression method {other}")).at(location())),
    };
    let contradiction = || Error::damaged("a zip entry is not where the directory says").at(location());
    let same = begins(bytes, local, b"PK\x03\x04")
        && number(bytes, local + 8, 2)? == method
        && number(bytes, local + 6, 2)? & 0x2041 == 0
        && bytes.get(local + 30..local + 30 + length(bytes, local + 26, 2)?) == Some(raw_name);
    if !same {
        return Err(contradiction());
    }
    let start = local + 30 + name_length + length(bytes, local + 28, 2)?;
    let end = start.checked_add(stored).filter(|&end| end <= directory.start).ok_or_else(contradiction)?;
    if !deflated && stored != size {
        return Err(Error::damaged(format!("{stored} bytes stored, {size} stated")).at(location()));
    }
    Ok((name, ZipEntry { span: local..end, data: start..end, size, deflated, crc }, extra.end + comment_length))
}

/// The stored size, the size and the offset of an entry. Those that fill their 32 bits stand in the zip64 field, in the order
/// size, stored, offset.
fn wide_sizes(record: &[u8], at: usize, extra: Range<usize>) -> Result<[usize; 3]> {
    let (mut stored, mut size, mut local) = (length(record, at + 20, 4)?, length(record, at + 24, 4)?, length(record, at + 42, 4)?);
    let mut field = extra.start;
    while field + 4 <= extra.end {
        let (tag, next) = (number(record, field, 2)?, field + 4 + length(record, field + 2, 2)?);
        if next > extra.end {
            return Err(cut());
        }
        if tag == 1 {
            let mut from = field + 4;
            for narrow in [&mut size, &mut stored, &mut local].into_iter().filter(|narrow| **narrow == 0xffff_ffff) {
                *narrow = length(&record[..next], from, 8)?;
                from += 8;
            }
        }
        field = next;
    }
    Ok([stored, size, local])
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Packed, pack};
    use super::*;

    fn open(entries: &[Packed]) -> Result<Archive> {
        Archive::open(pack(entries).into())
    }

    fn refused(entries: &[Packed]) -> ErrorCode {
        open(entries).unwrap_err().code()
    }

    #[test]
    fn entries_go_without_the_top_folder_in_the_order_of_the_directory() {
        let archive = open(&[Packed::stored("net/b", b"1"), Packed::stored("net/data/0", b"22"), Packed::stored("net/a", b"")]).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["b", "data/0", "a"]);
        assert_eq!(archive.read("data/0").unwrap(), b"22"[..]);
        assert_eq!(archive.read("net/b").unwrap_err().code(), ErrorCode::Damaged);
        let flat = open(&[Packed::stored("version", b"3"), Packed::stored("code/a", b"")]).unwrap();
        assert_eq!(flat.names().collect::<Vec<_>>(), ["version", "code/a"]);
    }

    #[test]
    fn what_is_stored_is_a_slice_of_the_file_and_what_is_deflated_is_inflated() {
        let text = "forward ".repeat(40);
        let bytes = Bytes::from(pack(&[Packed::stored("m/data/0", &[7; 100]), Packed::deflated("m/code", text.as_bytes())]));
        let archive = Archive::open(bytes.clone()).unwrap();
        let slice = archive.slice("data/0").unwrap();
        assert!(bytes.as_ptr_range().contains(&slice.as_ptr()));
        assert_eq!((slice.as_ptr() as usize - bytes.as_ptr() as usize) % 64, 0);
        assert_eq!(archive.text("code").unwrap(), text);
        assert!(archive.verify().is_ok());
    }

    #[test]
    fn a_checksum_is_tried_where_bytes_are_read_and_not_where_they_are_mapped() {
        for mut entry in [Packed::stored("m/x", b"abc"), Packed::deflated("m/x", b"abc")] {
            entry.crc ^= 1;
            let archive = open(&[entry]).unwrap();
            assert_eq!(archive.read("x").unwrap_err().code(), ErrorCode::Damaged);
            assert_eq!(archive.verify().unwrap_err().code(), ErrorCode::Damaged);
            assert_eq!(archive.slice("x").unwrap(), b"abc"[..]);
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_or_followed_by_anything_is_refused() {
        let whole = pack(&[Packed::stored("m/x", b"abc"), Packed::deflated("m/y", b"abc")]);
        for length in 0..whole.len() {
            let error = Archive::open(whole[..length].to_vec().into()).unwrap_err();
            assert_eq!(error.code(), if length < 4 { ErrorCode::NotAModel } else { ErrorCode::Damaged }, "{length}");
        }
        assert_eq!(Archive::open([&whole[..], b"\0"].concat().into()).unwrap_err().code(), ErrorCode::Damaged);
        assert!(Archive::open([b"\0", &whole[..]].concat().into()).is_err());
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let a = || Packed::stored("m/a", b"abc");
        assert_eq!(refused(&[a(), a()]), ErrorCode::Damaged);
        // Two entries, one offset.
        assert_eq!(refused(&[a(), Packed { offset: Some(0), ..a() }]), ErrorCode::Damaged);
        assert_eq!(refused(&[a(), Packed { offset: Some(0), ..Packed::stored("m/b", b"abc") }]), ErrorCode::Damaged);
        assert_eq!(refused(&[Packed { size: 4, ..a() }]), ErrorCode::Damaged);
        assert_eq!(refused(&[Packed { local_name: Some("m/b"), ..a() }]), ErrorCode::Damaged);
        assert_eq!(refused(&[Packed { offset: Some(u32::MAX - 1), ..a() }]), ErrorCode::Damaged);
    }

    #[test]
    fn encryption_and_other_methods_are_named() {
        assert_eq!(refused(&[Packed { flags: 1, ..Packed::stored("m/a", b"abc") }]), ErrorCode::Unsupported);
        assert_eq!(refused(&[Packed { method: 12, ..Packed::stored("m/a", b"abc") }]), ErrorCode::Unsupported);
    }

    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let blanks = vec![b' '; 1 << 20];
        assert_eq!(refused(&[Packed::deflated("m/a", &blanks)]), ErrorCode::TooBig);
        // What the directory says is what is inflated, whatever the stream holds.
        let lie = |size| Packed { size, ..Packed::deflated("m/a", &[b' '; 50_000]) };
        assert_eq!(open(&[lie(4)]).unwrap().read("a").unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(open(&[lie(50_001)]).unwrap().read("a").unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(refused(&[lie(usize::MAX >> 1)]), ErrorCode::TooBig);
    }

    #[test]
    fn sizes_that_fill_their_field_stand_in_the_zip64_field() {
        let archive = open(&[Packed { wide: true, ..Packed::stored("m/a", b"abc") }]).unwrap();
        assert_eq!(archive.read("a").unwrap(), b"abc"[..]);
    }
}
