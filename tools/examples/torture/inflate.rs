//! DEFLATE, decoded simply (RFC 1951): TorchScript's source lies compressed in its archive.

const SIZES: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const DISTANCES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
    24577,
];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = *self.bytes.get(self.at / 8)?;
        self.at += 1;
        Some(usize::from(byte >> ((self.at - 1) % 8) & 1))
    }

    fn number(&mut self, count: usize) -> Option<usize> {
        (0..count).try_fold(0, |number, i| Some(number | self.bit()? << i))
    }
}

/// A canonical Huffman code: how many codes each length has, and the symbols in their order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(sizes: &[usize]) -> Code {
        let mut counts = [0; 16];
        sizes.iter().for_each(|&length| counts[length] += 1);
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..sizes.len()).filter(|&symbol| sizes[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| sizes[symbol]);
        Code { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for length in 1..16 {
            code |= bits.bit()?;
            if code < first + self.counts[length] {
                return self.symbols.get(index + code - first).copied();
            }
            index += self.counts[length];
            first = (first + self.counts[length]) << 1;
            code <<= 1;
        }
        None
    }
}

/// What the bytes hold; `None` where they are damaged.
pub fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut bits, mut out) = (Bits { bytes, at: 0 }, Vec::new());
    loop {
        let is_last = bits.bit()? == 1;
        match bits.number(2)? {
            0 => {
                let start = bits.at.div_ceil(8);
                let length = usize::from(u16::from_le_bytes(bytes.get(start..start + 2)?.try_into().ok()?));
                out.extend(bytes.get(start + 4..start + 4 + length)?);
                bits.at = (start + 4 + length) * 8;
            }
            1 => {
                let sizes: Vec<usize> = (0..288)
                    .map(|i| {
                        if i < 144 {
                            8
                        } else if i < 256 {
                            9
                        } else if i < 280 {
                            7
                        } else {
                            8
                        }
                    })
                    .collect();
                block(&mut bits, &Code::new(&sizes), &Code::new(&[5; 30]), &mut out)?;
            }
            2 => {
                let (literals, distances, codes) = (bits.number(5)? + 257, bits.number(5)? + 1, bits.number(4)? + 4);
                let mut short = [0; 19];
                for &symbol in ORDER.iter().take(codes) {
                    short[symbol] = bits.number(3)?;
                }
                let (code, mut sizes) = (Code::new(&short), Vec::new());
                while sizes.len() < literals + distances {
                    let (value, count) = match code.symbol(&mut bits)? {
                        16 => (*sizes.last()?, 3 + bits.number(2)?),
                        17 => (0, 3 + bits.number(3)?),
                        18 => (0, 11 + bits.number(7)?),
                        length => (length, 1),
                    };
                    sizes.extend(std::iter::repeat_n(value, count));
                }
                block(&mut bits, &Code::new(&sizes[..literals]), &Code::new(sizes.get(literals..literals + distances)?), &mut out)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

fn block(bits: &mut Bits<'_>, literals: &Code, distances: &Code, out: &mut Vec<u8>) -> Option<()> {
    loop {
        match literals.symbol(bits)? {
            byte @ 0..256 => out.push(byte as u8),
            256 => return Some(()),
            symbol => {
                let i = symbol - 257;
                let extra = if !(8..28).contains(&i) { 0 } else { i / 4 - 1 };
                let length = usize::from(*SIZES.get(i)?) + bits.number(extra)?;
                let i = distances.symbol(bits)?;
                let distance = usize::from(*DISTANCES.get(i)?) + bits.number(if i < 4 { 0 } else { i / 2 - 1 })?;
                for _ in 0..length {
                    out.push(*out.get(out.len().checked_sub(distance)?)?);
                }
            }
        }
    }
}
