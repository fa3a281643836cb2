//! Histograms: how many elements or points fall into which bin.

use super::Reduction;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// How many elements fall into each of `bins` bins of one width between `low` and `high`, in the dtype of the tensor; between the least
    /// and the largest element where both are equal. What is outside counts nowhere.
    /// [torch.histc](https://docs.pytorch.org/docs/stable/generated/torch.histc.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[0.0f32, 1.0, 1.5, 4.0]);
    /// assert_eq!(x.histc(2, 0.0, 4.0)?.to_vec::<f32>()?, [3.0, 1.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn histc(&self, bins: i64, low: f64, high: f64) -> Result<Tensor> {
        let x = self.reshape([-1])?;
        if x.numel() == 0 {
            return Tensor::zeros([bins], x.dtype());
        }
        let (low, high) = if low == high {
            (x.amin(.., false)?, x.amax(.., false)?)
        } else {
            let number = |n| Tensor::full((), n, x.dtype());
            (number(low)?, number(high)?)
        };
        let (low, high) = moved_apart(low, high, 1)?;
        let position = x.sub(&low)?.mul(bins as f64)?.div(high.sub(&low)?)?.floor()?.cast(DType::I64)?;
        let inside = x.ge(&low)?.logical_and(x.le(&high)?)?;
        let position = position.clamp(Some(Scalar::Int(0)), Some(Scalar::Int(bins - 1)))?;
        Tensor::zeros([bins], x.dtype())?.scatter(0, &position, inside.cast(x.dtype())?, Reduction::Add)
    }

    /// How often each of the integers 0, 1, … occurs, or the sum of the weights of its occurrences; at least `least` values. The size of the
    /// result depends on the data, so the tensor must have known values.
    /// [torch.bincount](https://docs.pytorch.org/docs/stable/generated/torch.bincount.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[0i64, 2, 2]).bincount(None, 0)?.to_vec::<i64>()?, [1, 0, 2]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the values are not known.
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, least: i64) -> Result<Tensor> {
        let values =
            self.to_array().and_then(|array| array.to_i64s()).map_err(|error| error.help("the number of bins must not depend on data"))?;
        let count = values.iter().copied().max().map_or(0, |n| n + 1).max(least);
        let source = match weights {
            // Of nothing the weights count nothing.
            _ if values.is_empty() => return Tensor::zeros([least], DType::I64),
            // What is counted by weights that are no floats is a double.
            Some(weights) if weights.dtype() != DType::F32 => weights.cast(DType::F64)?,
            Some(weights) => weights.clone(),
            None => Tensor::ones(self.shape(), DType::I64)?,
        };
        Tensor::zeros([count], source.dtype())?.scatter(0, &self.cast(DType::I64)?, source, Reduction::Add)
    }

    /// The edges of bins of one width for points (…, coordinates), coordinate by coordinate: between the ends (low, high, low, high, …), or
    /// else between the least and the largest coordinate.
    /// [torch.histogramdd](https://docs.pytorch.org/docs/stable/generated/torch.histogramdd.html).
    ///
    /// # Errors
    ///
    /// Where there are not as many values of bins as coordinates, or a number is not positive.
    #[track_caller]
    pub fn histogram_edges(&self, bins: &[i64], ends: Option<&[f64]>) -> Result<Vec<Tensor>> {
        even(self, bins, ends)
    }

    /// The weights (1 where none are given) of the points (…, coordinates) in each bin between the edges of each coordinate: one axis of bins
    /// a coordinate. What is outside counts nowhere; the last edge belongs to its bin. `density` divides by the total weight and the volume
    /// of each bin.
    /// [torch.histogramdd](https://docs.pytorch.org/docs/stable/generated/torch.histogramdd.html).
    ///
    /// # Errors
    ///
    /// Where there are not as many vectors of edges as coordinates.
    #[track_caller]
    pub fn histogramdd(&self, edges: &[Tensor], weight: Option<&Tensor>, density: bool) -> Result<Tensor> {
        counted(self, edges, weight, density)
    }
}

/// How many coordinates the points have, which stand along the last axis.
fn axes(x: &Tensor) -> Result<usize> {
    let n = if x.rank() < 2 { None } else { x.dim(-1)?.fixed() };
    n.map(|n| n as usize).ok_or_else(|| Error::shape(format!("expected points with a fixed number of coordinates, got {}", x.ty())))
}

/// Equal ends moved by so much to each side.
fn moved_apart(low: Tensor, high: Tensor, by: impl Into<Scalar>) -> Result<(Tensor, Tensor)> {
    let step = low.eq(&high)?.cast(low.dtype())?.mul(by.into())?;
    Ok((low.sub(&step)?, high.add(step)?))
}

/// The edges of bins of one width, axis by axis: between given ends, or else the least and the largest coordinate.
fn even(x: &Tensor, bins: &[i64], ends: Option<&[f64]>) -> Result<Vec<Tensor>> {
    if bins.len() != axes(x)? || bins.iter().any(|&n| n < 1) || ends.is_some_and(|ends| ends.len() != 2 * bins.len()) {
        return Err(Error::argument(format!("histogram: {bins:?} bins and range {ends:?} do not fit {}", x.ty())));
    }
    let before: Vec<i64> = (0..x.rank() as i64 - 1).collect();
    let number = |n: f64| Tensor::full((), n, x.dtype());
    let edges = |(i, &bins): (usize, &i64)| {
        let coordinate = x.select(-1, i as i64)?;
        let (low, high) = match ends {
            Some(ends) => (number(ends[2 * i])?, number(ends[2 * i + 1])?),
            None if x.numel() == 0 => (number(0.0)?, number(1.0)?),
            None => (coordinate.amin(&before, false)?, coordinate.amax(&before, false)?),
        };
        let (low, high) = moved_apart(low, high, 0.5)?;
        Tensor::linspace(&low, &high, bins + 1)?.cast(x.dtype())
    };
    bins.iter().enumerate().map(edges).collect()
}

/// The weights of the points in each bin, one axis of bins a coordinate; what is outside counts nowhere, the last edge belongs to its bin.
fn counted(x: &Tensor, edges: &[Tensor], weight: Option<&Tensor>, density: bool) -> Result<Tensor> {
    if edges.len() != axes(x)? || edges.iter().any(|edge| edge.rank() != 1) {
        return Err(Error::argument(format!("histogram: {} bin edge tensors do not fit {}", edges.len(), x.ty())));
    }
    let bins = edges.iter().map(|edges| Ok(edges.dim(0)? - 1i64)).collect::<Result<Vec<Dim>>>()?;
    let all = bins.iter().cloned().product::<Dim>();
    let mut position: Option<Tensor> = None;
    let mut inside: Option<Tensor> = None;
    for (i, (edges, bins)) in edges.iter().zip(&bins).enumerate() {
        let coordinate = x.select(-1, i as i64)?.reshape([-1])?;
        let (low, high) = (edges.select(0, 0i64)?, edges.select(0, bins.clone())?);
        let within = coordinate.ge(low)?.logical_and(coordinate.le(high)?)?;
        let bin = edges.searchsorted(&coordinate, true)?.sub(1)?.clamp(Some(Scalar::Int(0)), None)?.minimum(&(bins - 1i64))?;
        position = Some(position.map_or(Ok(bin.clone()), |position| position.mul(bins)?.add(bin))?);
        inside = Some(inside.map_or(Ok(within.clone()), |inside| inside.logical_and(within))?);
    }
    let (Some(position), Some(inside)) = (position, inside) else { return Err(Error::argument("histogram: points have no coordinates")) };
    let weight = match weight {
        Some(weight) => inside.where_(&weight.cast(x.dtype())?.reshape([-1])?, &Tensor::zeros((), x.dtype())?)?,
        None => inside.cast(x.dtype())?,
    };
    let sums = Tensor::zeros([all], x.dtype())?.scatter(0, &position, &weight, Reduction::Add)?.reshape(&bins)?;
    if !density {
        return Ok(sums);
    }
    let mut part = sums.div(sums.sum(.., false)?)?;
    for (i, edges) in edges.iter().enumerate() {
        let widths = edges.slice(0, 1..)?.sub(edges.slice(0, ..-1)?)?;
        let mut across = vec![1i64; bins.len()];
        across[i] = -1;
        part = part.div(widths.reshape(&across)?)?;
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(x: &Tensor) -> Result<Tensor> {
        x.reshape([-1, 1])
    }

    #[test]
    fn the_last_edge_belongs_to_its_bin_and_what_is_outside_to_none() {
        let x = points(&Tensor::from(&[-1.0f32, 0.0, 0.5, 1.0, 2.0, 2.5, f32::NAN])).unwrap();
        let edges = [Tensor::from(&[0.0f32, 1.0, 2.0])];
        assert_eq!(x.histogramdd(&edges, None, false).unwrap().to_vec::<f32>().unwrap(), [2.0, 2.0]);
        let weights = Tensor::from(&[9.0f32, 1.0, 2.0, 3.0, 6.0, 9.0, 9.0]);
        assert_eq!(x.histogramdd(&edges, Some(&weights), true).unwrap().to_vec::<f32>().unwrap(), [0.25, 0.75]);
    }

    #[test]
    fn equal_values_get_bins_around_them() {
        let x = points(&Tensor::from(&[3.0f32, 3.0])).unwrap();
        assert_eq!(x.histogram_edges(&[2], None).unwrap()[0].to_vec::<f32>().unwrap(), [2.5, 3.0, 3.5]);
    }
}
