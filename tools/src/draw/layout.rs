//! Positions of boxes and lines: layers from top to bottom (Sugiyama's method) in time linear in the graph. Layers by longest paths, order by barycentres,
//! positions by least squares.
//!
//! A line to a layer further down goes through a point in every layer between; the lines of one box share these points, so that a value that many layers use
//! is one line with branches. The viewer of HTML pictures has the same algorithm.

use std::collections::HashMap;

/// Between layers.
const LAYER_GAP: f64 = 34.0;
/// Between boxes beside each other, and between lines.
const BOX_GAP: f64 = 22.0;
const LINE_GAP: f64 = 14.0;
/// How often the order is improved, and the positions.
const ORDER_SWEEPS: usize = 12;
const POSITION_SWEEPS: usize = 24;
/// The pull of the middle on a box, where that of a neighbour is 1.
const GRAVITY: f64 = 0.05;
/// Points of lines in a graph; beyond it, lines go straight from layer to layer.
const MOST_POINTS: usize = 150_000;
/// Around the picture.
const MARGIN: f64 = 16.0;

/// A point; y grows downwards.
pub type Point = (f64, f64);

/// Boxes by their sizes, and lines between them.
pub struct Boxes {
    /// Width and height.
    pub sizes: Vec<(f64, f64)>,
    /// From and to; a pair once.
    pub edges: Vec<(usize, usize)>,
}

/// Where everything is.
#[derive(Debug, Default, PartialEq)]
pub struct Layout {
    /// The centres of the boxes.
    pub centers: Vec<Point>,
    /// For each edge, the points that its line goes through, from the bottom of a box, or from another line from that box, to the top of another box;
    /// consecutive ones are joined by a curve, or by a straight line where one is above the other.
    pub lines: Vec<Vec<Point>>,
    /// The size of the whole.
    pub size: (f64, f64),
}

/// A box, or a point of lines.
struct Item {
    size: (f64, f64),
    layer: usize,
    x: f64,
    above: Vec<(usize, f64)>,
    below: Vec<(usize, f64)>,
}

impl Item {
    /// Whether it is a point of lines.
    fn is_point(&self) -> bool {
        self.size.0 == 0.0
    }
}

/// The layout of boxes: the same for the same boxes.
pub fn layout(boxes: &Boxes) -> Layout {
    // Every edge goes down in the order of the boxes, so that there is no cycle.
    let down: Vec<(usize, usize)> = boxes.edges.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    let layers = layers(boxes.sizes.len(), &down);
    let (mut items, chains) = items(boxes, &down, &layers);
    let mut order = ordered(&items);
    untangle(&mut items, &mut order);
    position(&mut items, &order);
    straighten(&mut items, &order);
    finish(boxes, &items, &order, &chains)
}

/// The layer of each box: below all that it takes from, and as near to what takes from it as makes lines shorter.
fn layers(count: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let (mut above, mut below) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for &(a, b) in down {
        below[a].push(b);
        above[b].push(a);
    }
    let mut layer = vec![0; count];
    for b in 0..count {
        layer[b] = above[b].iter().map(|&a: &usize| layer[a] + 1).max().unwrap_or(0);
    }
    for a in (0..count).rev() {
        if let Some(next) = below[a].iter().map(|&b: &usize| layer[b] - 1).min()
            && above[a].len() <= below[a].len()
        {
            layer[a] = layer[a].max(next);
        }
    }
    layer
}

/// The boxes and the points of lines, and for each edge the items from its one end to its other.
fn items(boxes: &Boxes, down: &[(usize, usize)], layers: &[usize]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let item = |size, layer| Item { size, layer, x: 0.0, above: Vec::new(), below: Vec::new() };
    let mut items: Vec<Item> = boxes.sizes.iter().zip(layers).map(|(&size, &layer)| item(size, layer)).collect();
    // The points below each box, one a layer.
    let mut points: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    let mut chains = Vec::with_capacity(down.len());
    for &(a, b) in down {
        let needed = layers[b] - layers[a] - 1;
        let mut chain = vec![a];
        if items.len() - boxes.sizes.len() + needed.saturating_sub(points[a].len()) <= MOST_POINTS {
            while points[a].len() < needed {
                let (point, last) = (items.len(), points[a].last().copied());
                items.push(item((0.0, 0.0), layers[a] + points[a].len() + 1));
                // Lines bend near their ends, not between.
                join(&mut items, last.unwrap_or(a), point, if last.is_some() { 6.0 } else { 1.0 });
                points[a].push(point);
            }
            chain.extend(&points[a][..needed]);
            join(&mut items, chain[chain.len() - 1], b, 1.0);
        }
        chain.push(b);
        chains.push(chain);
    }
    (items, chains)
}

fn join(items: &mut [Item], a: usize, b: usize, weight: f64) {
    items[a].below.push((b, weight));
    items[b].above.push((a, weight));
}

/// The items of each layer, those of one box side by side: a depth-first walk from the top.
fn ordered(items: &[Item]) -> Vec<Vec<usize>> {
    let count = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let (mut order, mut seen) = (vec![Vec::new(); count], vec![false; items.len()]);
    for start in 0..items.len() {
        let mut stack = vec![start];
        while let Some(i) = stack.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                order[items[i].layer].push(i);
                stack.extend(items[i].below.iter().rev().map(|row| row.0).filter(|&j| !seen[j]));
            }
        }
    }
    order
}

/// Orders each layer by the mean position of the neighbours, down and up in turn; the order with the fewest crossings is kept.
fn untangle(items: &mut [Item], order: &mut Vec<Vec<usize>>) {
    let (mut best, mut fewest) = (order.clone(), crossings(items, order));
    let mut index = vec![0.0; items.len()];
    let number = |index: &mut Vec<f64>, layer: &[usize]| layer.iter().enumerate().for_each(|(at, &i)| index[i] = at as f64);
    order.iter().for_each(|layer| number(&mut index, layer));
    for sweep in 0..ORDER_SWEEPS {
        if fewest == 0 {
            break;
        }
        let is_down = sweep % 2 == 0;
        for step in 0..order.len() {
            let layer = &mut order[if is_down { step } else { items_last(step, best.len()) }];
            let mean = |i: usize| {
                let near = if is_down { &items[i].above } else { &items[i].below };
                let sum: f64 = near.iter().map(|row| index[row.0]).sum();
                if near.is_empty() { index[i] } else { sum / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = layer.iter().map(|&i| (mean(i), i)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = keyed.into_iter().map(|row| row.1).collect();
            number(&mut index, layer);
        }
        let count = crossings(items, order);
        if count < fewest {
            (best, fewest) = (order.clone(), count);
        }
    }
    *order = best;
}

fn items_last(step: usize, count: usize) -> usize {
    count - 1 - step
}

/// How many pairs of lines between neighbouring layers cross.
fn crossings(items: &[Item], order: &[Vec<usize>]) -> usize {
    let mut index = vec![0; items.len()];
    order.iter().for_each(|layer| layer.iter().enumerate().for_each(|(at, &i)| index[i] = at));
    let mut total = 0;
    for pair in order.windows(2) {
        // Lines in the order of their upper ends; each crosses the earlier ones whose lower ends lie further right: counted in a binary indexed tree.
        let mut tree = vec![0usize; pair[1].len() + 1];
        let mut before = 0;
        for &i in &pair[0] {
            let mut ends: Vec<usize> = items[i].below.iter().map(|row| index[row.0]).collect();
            ends.sort_unstable();
            for &end in &ends {
                let (mut at, mut left) = (end + 1, 0);
                while at > 0 {
                    left += tree[at];
                    at &= at - 1;
                }
                total += before - left;
            }
            for end in ends {
                let mut at = end + 1;
                while at < tree.len() {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
                before += 1;
            }
        }
    }
    total
}

/// The distance of the centres of two items beside each other.
fn distance(a: &Item, b: &Item) -> f64 {
    (a.size.0 + b.size.0) / 2.0 + if a.is_point() && b.is_point() { LINE_GAP } else { BOX_GAP }
}

/// Moves every item towards its neighbours, layer by layer, as far as the order and the distances allow.
fn position(items: &mut [Item], order: &[Vec<usize>]) {
    for layer in order {
        let mut x = 0.0;
        for (at, &i) in layer.iter().enumerate() {
            x += if at == 0 { 0.0 } else { distance(&items[layer[at - 1]], &items[i]) };
            items[i].x = x;
        }
        layer.iter().for_each(|&i| items[i].x -= x / 2.0);
    }
    for sweep in 0..POSITION_SWEEPS {
        for step in 0..order.len() {
            let layer = &order[if sweep % 2 == 0 { step } else { items_last(step, order.len()) }];
            // The last sweeps look both ways.
            let (up, down) = if sweep + 6 >= POSITION_SWEEPS { (true, true) } else { (sweep % 2 == 0, sweep % 2 == 1) };
            let wanted: Vec<(f64, f64)> = layer.iter().map(|&i| wanted(items, i, up, down)).collect();
            let gaps: Vec<f64> = layer.windows(2).map(|pair| distance(&items[pair[0]], &items[pair[1]])).collect();
            layer.iter().zip(spread(&wanted, &gaps)).for_each(|(&i, x)| items[i].x = x);
        }
    }
}

/// Makes the lines vertical that nearly are: what follows each other one by one stands below each other, where all of its layers have room for that.
fn straighten(items: &mut [Item], order: &[Vec<usize>]) {
    let mut beside = vec![(None, None); items.len()];
    for pair in order.iter().flat_map(|layer| layer.windows(2)) {
        beside[pair[0]].1 = Some(pair[1]);
        beside[pair[1]].0 = Some(pair[0]);
    }
    for run in runs(items) {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for &i in &run {
            low = beside[i].0.map_or(low, |left: usize| low.max(items[left].x + distance(&items[left], &items[i])));
            high = beside[i].1.map_or(high, |right: usize| high.min(items[right].x - distance(&items[i], &items[right])));
        }
        let mean = run.iter().map(|&i| items[i].x).sum::<f64>() / run.len() as f64;
        if low <= high {
            run.iter().for_each(|&i| items[i].x = mean.clamp(low, high));
        }
    }
}

/// The longest runs of items of which each is all that the one before has below it, and that has above it; the points of a line are a run, too.
fn runs(items: &[Item]) -> Vec<Vec<usize>> {
    let is_point = |i: usize| items[i].is_point();
    let next = |i: usize| match items[i].below.as_slice() {
        [(j, _)] if items[*j].above.len() == 1 && is_point(i) == is_point(*j) => Some(*j),
        several => several.iter().map(|row| row.0).find(|&j| is_point(i) && is_point(j)),
    };
    let mut is_inner = vec![false; items.len()];
    (0..items.len()).filter_map(next).for_each(|j| is_inner[j] = true);
    let starts = (0..items.len()).filter(|&i| !is_inner[i]);
    starts.map(|i| std::iter::successors(Some(i), |&i| next(i)).collect()).collect()
}

/// Where an item would be if it were alone in its layer, and the weight of that wish. A box follows boxes, and a line itself, where there are any on a side:
/// the main path is straight, lines go around it, and neither moves the other a little further in every layer.
fn wanted(items: &[Item], i: usize, up: bool, down: bool) -> (f64, f64) {
    let item = &items[i];
    let (mut sum, mut weight) = (0.0, 0.0);
    for (side, is_asked) in [(&item.above, up || item.below.is_empty()), (&item.below, down || item.above.is_empty())] {
        let is_alike = |row: &(usize, f64)| items[row.0].is_point() == item.is_point();
        let has_alike = side.iter().any(is_alike);
        for row in side.iter().filter(|row| is_asked && (is_alike(row) || !has_alike)) {
            sum += row.1 * items[row.0].x;
            weight += row.1;
        }
    }
    // Boxes are drawn to the middle a little: blocks that lean to one side would add up.
    weight += if item.is_point() { 0.0 } else { GRAVITY };
    if weight > 0.0 { (sum / weight, weight) } else { (item.x, 0.1) }
}

/// The positions nearest to those wanted, by weighted squares, that are at least these distances apart: isotonic regression by pooling.
fn spread(wanted: &[(f64, f64)], gaps: &[f64]) -> Vec<f64> {
    // Without the distances, positions must only not decrease.
    let mut offset = 0.0;
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    let mut offsets = Vec::with_capacity(wanted.len());
    for (at, &(x, weight)) in wanted.iter().enumerate() {
        offset += if at == 0 { 0.0 } else { gaps[at - 1] };
        offsets.push(offset);
        pools.push((x - offset, weight, 1));
        while let [.., a, b] = pools.as_slice()
            && a.0 > b.0
        {
            let merged = ((a.0 * a.1 + b.0 * b.1) / (a.1 + b.1), a.1 + b.1, a.2 + b.2);
            pools.truncate(pools.len() - 2);
            pools.push(merged);
        }
    }
    let flat = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.0, pool.2));
    flat.zip(offsets).map(|(x, offset)| x + offset).collect()
}

/// The layers below each other, and everything right of the margin.
fn finish(boxes: &Boxes, items: &[Item], order: &[Vec<usize>], chains: &[Vec<usize>]) -> Layout {
    let height = |layer: &Vec<usize>| layer.iter().map(|&i| items[i].size.1).fold(0.0, f64::max);
    let mut bands: Vec<(f64, f64)> = Vec::with_capacity(order.len());
    for layer in order {
        let top = bands.last().map_or(MARGIN, |band| band.1 + LAYER_GAP);
        bands.push((top, top + height(layer)));
    }
    let edge = |side: f64| items.iter().map(|item| side * item.x + item.size.0 / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let (left, right) = if items.is_empty() { (0.0, 0.0) } else { (-edge(-1.0), edge(1.0)) };
    let x = |i: usize| items[i].x - left + MARGIN;
    let y = |i: usize| {
        let (top, bottom) = bands[items[i].layer];
        (top + bottom) / 2.0
    };
    let trunks = trunks(chains);
    let lines = chains.iter().zip(&boxes.edges).enumerate().map(|(edge, (chain, &(from, _)))| {
        let mut points: Vec<Point> = Vec::new();
        for (at, &i) in chain.iter().enumerate().skip(trunks[edge]) {
            let (top, bottom) = bands[items[i].layer];
            let half = items[i].size.1 / 2.0;
            if at > 0 && at == trunks[edge] {
                points.push((x(i), bottom));
            } else if at > 0 {
                points.push((x(i), top));
                points.push((x(i), if at + 1 == chain.len() { y(i) - half } else { bottom }));
            } else {
                points.push((x(i), y(i) + half));
                points.push((x(i), bottom));
            }
        }
        points.dedup();
        // An edge against the order of the boxes is drawn from its lower end.
        if chain.first() != Some(&from) {
            points.reverse();
        }
        points
    });
    let centers = (0..boxes.sizes.len()).map(|i| (x(i), y(i))).collect();
    let size = (right - left + 2.0 * MARGIN, bands.last().map_or(MARGIN, |band| band.1) + MARGIN);
    Layout { centers, lines: lines.collect(), size }
}

/// How many items of each chain other lines from the same box go through already, before the last of them: the longest line of a box is drawn whole.
fn trunks(chains: &[Vec<usize>]) -> Vec<usize> {
    let mut longest: HashMap<usize, usize> = HashMap::new();
    for (edge, chain) in chains.iter().enumerate() {
        let known = longest.entry(chain[0]).or_insert(edge);
        if chains[*known].len() < chain.len() {
            *known = edge;
        }
    }
    chains.iter().enumerate().map(|(edge, chain)| if longest[&chain[0]] == edge { 0 } else { chain.len() - 2 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(count: usize, edges: &[(usize, usize)]) -> Boxes {
        Boxes { sizes: vec![(100.0, 40.0); count], edges: edges.to_vec() }
    }

    #[test]
    fn no_two_boxes_overlap_and_lines_go_down() {
        let edges: Vec<(usize, usize)> = (1..40).flat_map(|i| [(i / 3, i), (i * 7 % i, i)]).filter(|(a, b)| a != b).collect();
        let layout = layout(&boxes(40, &edges));
        for (i, a) in layout.centers.iter().enumerate() {
            for b in &layout.centers[..i] {
                assert!((a.0 - b.0).abs() >= 100.0 || (a.1 - b.1).abs() >= 40.0, "{a:?} {b:?}");
            }
            assert!(a.0 >= 50.0 && a.0 + 50.0 <= layout.size.0 && a.1 + 20.0 <= layout.size.1);
        }
        for line in &layout.lines {
            assert!(line.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        }
    }

    #[test]
    fn the_branch_of_a_residual_connection_goes_around_its_block() {
        let layout = layout(&boxes(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]));
        let skip = &layout.lines[3];
        let inner: Vec<&Point> = skip[1..skip.len() - 1].iter().filter(|point| point.1 > 90.0 && point.1 < 200.0).collect();
        assert!(!inner.is_empty() && inner.iter().all(|point| (point.0 - layout.centers[1].0).abs() > 50.0), "{skip:?}");
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let mut boxes = boxes(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (4, 5)]);
        boxes.sizes[2].0 = 300.0;
        let layout = layout(&boxes);
        assert!(layout.centers[1..5].iter().all(|center| center.0 == layout.centers[1].0), "{:?}", layout.centers);
    }

    #[test]
    fn positions_keep_their_order_and_distance() {
        assert_eq!(spread(&[(5.0, 1.0), (1.0, 1.0), (20.0, 1.0)], &[10.0, 2.0]), [-2.0, 8.0, 20.0]);
    }

    #[test]
    fn cycles_and_what_is_alone_have_positions() {
        let layout = layout(&boxes(4, &[(0, 1), (1, 0), (1, 2)]));
        assert!(layout.centers.iter().all(|center| center.0.is_finite() && center.1.is_finite()));
        assert!(super::layout(&boxes(0, &[])).centers.is_empty());
        assert!(layout.lines[1][0].1 > layout.lines[1][1].1);
    }
}
