//! The weights of a network: from a seed, a map or a file, looked up by name.

use crate::array::{Array, DType, Random, Scalar};
use crate::error::{Error, Result};
use crate::read::checkpoint;
use crate::tensor::Tensor;
use indexmap::IndexMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A source of named parameters, with the scope in which names are looked up. Clones and scopes are cheap: they share the source.
///
/// ```
/// use ontrace::nn::{Linear, Weights};
/// use ontrace::{Module, Result, Tensor};
///
/// struct Net { hidden: Linear, out: Linear }
///
/// impl Net {
///     fn new(weights: &Weights) -> Result<Net> {
///         Ok(Net { hidden: Linear::new(&weights.at("hidden"), 4, 8)?, out: Linear::new(&weights.at("out"), 8, 2)? })
///     }
/// }
///
/// impl Module for Net {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         self.out.forward(&self.hidden.forward(x)?.relu()?)
///     }
/// }
///
/// let net = Net::new(&Weights::seeded(1))?; // or &Weights::open("net.safetensors")?
/// let y = net.forward(&Tensor::new([1, 4], vec![1.0f32; 4])?)?;
/// assert_eq!(y.shape().example(), Some(vec![1, 2]));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone)]
pub struct Weights {
    source: Arc<WeightSource>,
    path: String,
}

enum WeightSource {
    Seeded(u64),
    Stored(IndexMap<String, Array>),
}

/// The distribution from which seeded weights are initialised. Stored weights are taken as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// The uniform distribution between −bound and bound.
    Uniform(f64),
    /// The normal distribution with mean 0 and this standard deviation.
    Normal(f64),
    /// This value for every element.
    Constant(f64),
}

impl Init {
    /// Uniform between ±1/√n, where n is the number of inputs of one output: torch's default for linear layers and convolutions.
    pub fn fan_in(n: usize) -> Init {
        Init::Uniform(1.0 / (n.max(1) as f64).sqrt())
    }
}

impl Weights {
    /// Random weights in f32. They depend on the seed and on the full name only, not on the order of the calls.
    pub fn seeded(seed: u64) -> Weights {
        Weights { source: Arc::new(WeightSource::Seeded(seed)), path: String::new() }
    }

    /// Weights by their full names: an `IndexMap<String, Array>`, or an iterator of pairs.
    pub fn from_map<S: Into<String>>(weights: impl IntoIterator<Item = (S, Array)>) -> Weights {
        let stored = weights.into_iter().map(|(name, array)| (name.into(), array)).collect();
        Weights { source: Arc::new(WeightSource::Stored(stored)), path: String::new() }
    }

    /// The weights of a safetensors file, a `.pth` state dict or a TorchScript `.pt`. The file is memory-mapped; only weights that are used are read.
    ///
    /// # Errors
    /// Those of [`checkpoint`].
    pub fn open(path: impl AsRef<Path>) -> Result<Weights> {
        Ok(Weights::from_map(checkpoint(path)?))
    }

    /// The scope of a submodule, given by a name, a dotted path or an index.
    pub fn at(&self, scope: impl fmt::Display) -> Weights {
        Weights { source: self.source.clone(), path: self.full(&scope.to_string()) }
    }

    /// The scope as a dotted path; empty at the top.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The full names of the weights in this scope, in the order of the source; empty for seeded weights.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let stored = match &*self.source {
            WeightSource::Seeded(_) => None,
            WeightSource::Stored(stored) => Some(stored.keys()),
        };
        let inside = |name: &&str| self.path.is_empty() || name.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        stored.into_iter().flatten().map(String::as_str).filter(inside)
    }

    /// The parameter of this name and shape: as stored, in the stored dtype, or initialised from the seed in f32.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the source has no such name, [`Shape`](crate::ErrorCode::Shape) where it has another shape.
    pub fn get(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let weight = self.opt(name, shape, init)?;
        weight.ok_or_else(|| {
            Error::input(format!("no weight of this name with shape {shape:?}")).help(self.nearest(name)).at(self.full(name))
        })
    }

    /// As [`Weights::get`], but `None` where the source has no such name. A seed has every name.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the source has another shape.
    pub fn opt(&self, name: &str, shape: &[usize], init: Init) -> Result<Option<Tensor>> {
        let full = self.full(name);
        let array = match &*self.source {
            WeightSource::Seeded(seed) => initial_values(*seed, &full, shape, init)?,
            WeightSource::Stored(stored) => match stored.get(&full) {
                None => return Ok(None),
                Some(array) if array.shape() == shape => array.clone(),
                Some(array) => return Err(Error::shape(format!("expected shape {shape:?}, got {:?}", array.shape())).at(full)),
            },
        };
        Ok(Some(Tensor::from(array).named(&full)))
    }

    fn full(&self, name: &str) -> String {
        match (self.path.as_str(), name) {
            ("", name) => name.to_string(),
            (path, "") => path.to_string(),
            (path, name) => format!("{path}.{name}"),
        }
    }

    /// A suggestion of the names nearest to this one.
    fn nearest(&self, name: &str) -> String {
        let WeightSource::Stored(stored) = &*self.source else { return String::new() };
        let full = self.full(name);
        let mut names: Vec<(usize, &str)> = stored.keys().map(|known| (distance(known, &full), known.as_str())).collect();
        // Stable: equally near names stay in the order of the source.
        names.sort_by_key(|row| row.0);
        match names.is_empty() {
            true => "the source contains no weights".to_string(),
            false => format!("did you mean {}?", names.iter().take(3).map(|row| format!("`{}`", row.1)).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.source {
            WeightSource::Seeded(seed) => write!(f, "Weights(seed {seed}, at `{}`)", self.path),
            WeightSource::Stored(stored) => write!(f, "Weights({} stored, at `{}`)", stored.len(), self.path),
        }
    }
}

/// The initial values for a seed and a full name.
fn initial_values(seed: u64, name: &str, shape: &[usize], init: Init) -> Result<Array> {
    let mut random = Random::new(fnv1a(seed.to_le_bytes().into_iter().chain(name.bytes())));
    match init {
        Init::Uniform(bound) => random.array(DType::F32, shape, |random| (2.0 * random.uniform() - 1.0) * bound),
        Init::Normal(std) => random.array(DType::F32, shape, |random| random.normal() * std),
        Init::Constant(x) => Ok(Array::full(DType::F32, shape, Scalar::Float(x))),
    }
}

/// The 64-bit [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/) hash: fixed for good, unlike the standard library's.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The Levenshtein distance of two names: how many insertions, deletions and substitutions of characters turn one into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn seeded(path: &str) -> Vec<f32> {
        Weights::seeded(7).at(path).get("weight", &[64], Init::Uniform(0.5)).unwrap().to_vec().unwrap()
    }

    #[test]
    fn the_hash_is_fnv() {
        // From the authors' test vectors.
        assert_eq!(fnv1a("a".bytes()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar".bytes()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn seeded_weights_depend_on_their_path_and_on_nothing_else() {
        assert_eq!(seeded("a"), seeded("a"));
        assert_ne!(seeded("a"), seeded("b"));
        assert!(seeded("a").iter().all(|x| x.abs() <= 0.5) && seeded("a").iter().any(|x| x.abs() > 0.25));
        let other = Weights::seeded(8).get("a.weight", &[64], Init::Uniform(0.5)).unwrap();
        assert_ne!(other.to_vec::<f32>().unwrap(), seeded("a"));
    }

    #[test]
    fn a_scope_in_a_scope_is_a_dotted_path() {
        let weights = Weights::seeded(0).at("layer1").at(0);
        let weight = weights.get("weight", &[1], Init::Constant(3.0)).unwrap();
        assert_eq!(weight.parameter().map(|name| &**name), Some("layer1.0.weight"));
        assert_eq!(weight.to_vec::<f32>().unwrap(), [3.0]);
    }

    #[test]
    fn a_missing_weight_is_named_in_full_with_its_neighbours() {
        let weights = Weights::from_map([("layer1.wieght", Array::vector(vec![1f32])), ("head.bias", Array::vector(vec![1f32]))]);
        let error = weights.at("layer1").get("weight", &[1], Init::Constant(0.0)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Input);
        assert!(error.to_string().contains("layer1.weight") && error.to_string().contains("[1]"), "{error}");
        assert!(error.help_line().unwrap().starts_with("did you mean `layer1.wieght`"));
        assert!(weights.opt("absent", &[1], Init::Constant(0.0)).unwrap().is_none());
    }

    #[test]
    fn another_shape_is_an_error_that_has_both() {
        let weights = Weights::from_map([("fc.weight", Array::vector(vec![1f32; 3]))]);
        let error = weights.at("fc").get("weight", &[2, 3], Init::Constant(0.0)).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::Shape, "fc.weight: expected shape [2, 3], got [3]"));
    }

    #[test]
    fn a_safetensors_file_is_a_source() {
        let bytes: Vec<u8> = [1i64, -2].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![2], &bytes).unwrap();
        let path = tempfile::tempdir().unwrap().keep().join("net.safetensors");
        std::fs::write(&path, safetensors::serialize([("fc.steps", view)], None).unwrap()).unwrap();
        let weights = Weights::open(&path).unwrap();
        assert_eq!(weights.at("fc").names().collect::<Vec<_>>(), ["fc.steps"]);
        assert_eq!(weights.at("f").names().count(), 0);
        // The dtype is the stored one.
        assert_eq!(weights.at("fc").get("steps", &[2], Init::Constant(0.0)).unwrap().to_vec::<i64>().unwrap(), [1, -2]);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!([distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")], [3, 3, 0]);
    }
}
