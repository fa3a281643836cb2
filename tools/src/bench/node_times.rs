//! Where the time of a call goes: by operator, by scope, by node.

use super::statistics::{median, time};
use crate::console::{count, printable};
use ontrace::runtime::Session;
use ontrace::{Array, Error, Result, Traced};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the times of nodes are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    Operator,
    Scope,
    Node,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Operator => "operator",
            By::Scope => "scope",
            By::Node => "node",
        }
    }
}

/// A node and its time in seconds.
struct NodeCost {
    name: String,
    op: String,
    scope: String,
    seconds: f64,
}

/// The times of all nodes, and what they were measured in.
pub struct NodeTimes {
    costs: Vec<NodeCost>,
    /// `tract` or `eager`.
    measured: &'static str,
    calls: usize,
}

/// A row of the table.
struct Row {
    label: String,
    nodes: usize,
    seconds: f64,
}

/// How many calls are measured, as long as they take no longer than a second and a half together.
const CALLS: usize = 30;
const LONGEST: Duration = Duration::from_millis(1500);

impl NodeTimes {
    /// The nodes of tract's plan, where there is one for these inputs, else those of the traced graph on ontrace's kernels: the median of several calls
    /// for each node.
    ///
    /// # Errors
    /// Those of the calls, and of the trace where that is needed.
    pub fn measure(session: Option<&Session>, traced: std::result::Result<&Traced, Error>, inputs: &[Array]) -> Result<NodeTimes> {
        let in_plan = session.map(|session| NodeTimes::in_plan(session, inputs)).transpose()?.flatten();
        in_plan.map_or_else(|| NodeTimes::eager(traced?, inputs), Ok)
    }

    fn in_plan(session: &Session, inputs: &[Array]) -> Result<Option<NodeTimes>> {
        let (mut calls, mut last) = (Vec::new(), None);
        let started = Instant::now();
        while calls.len() < CALLS && (calls.len() < 3 || started.elapsed() < LONGEST) {
            let Some(nodes) = session.profile(inputs)? else { return Ok(None) };
            calls.push(nodes.iter().map(|node| node.time.as_secs_f64()).collect::<Vec<_>>());
            last = Some(nodes);
        }
        let costs = last.into_iter().flatten().zip(medians(&calls)).map(|(node, seconds)| NodeCost {
            op: node.op.unwrap_or(node.kernel),
            name: node.name,
            scope: node.scope,
            seconds,
        });
        Ok(Some(NodeTimes { costs: costs.collect(), measured: "tract", calls: calls.len() }))
    }

    fn eager(traced: &Traced, inputs: &[Array]) -> Result<NodeTimes> {
        let graph = traced.graph();
        let mut calls = Vec::new();
        let started = Instant::now();
        while calls.len() < CALLS && (calls.len() < 3 || started.elapsed() < LONGEST) {
            let mut times = vec![0.0; graph.nodes().len()];
            let mut before = Instant::now();
            graph.observe(inputs, |i, _, _| {
                times[i] += before.elapsed().as_secs_f64();
                before = Instant::now();
                Ok(())
            })?;
            calls.push(times);
        }
        let costs = graph.nodes().iter().zip(medians(&calls)).map(|(node, seconds)| NodeCost {
            name: node.outputs.first().map(|&id| graph.label(id)).unwrap_or_default(),
            op: node.op.name().to_string(),
            scope: node.location.scope.to_string(),
            seconds,
        });
        Ok(NodeTimes { costs: costs.collect(), measured: "eager", calls: calls.len() })
    }

    fn rows(&self, by: By, depth: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for cost in &self.costs {
            let label = match by {
                By::Operator => cost.op.clone(),
                By::Node => format!("{} ({})", cost.name, cost.op),
                By::Scope => match cost.scope.split('.').take(depth).collect::<Vec<_>>().join(".") {
                    scope if scope.is_empty() => "(top)".to_string(),
                    scope => scope,
                },
            };
            match rows.iter_mut().find(|row| row.label == label) {
                Some(row) => {
                    row.nodes += 1;
                    row.seconds += cost.seconds;
                }
                None => rows.push(Row { label, nodes: 1, seconds: cost.seconds }),
            }
        }
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        rows
    }

    fn total(&self) -> f64 {
        self.costs.iter().map(|cost| cost.seconds).sum()
    }

    /// The table as text.
    pub fn table(&self, by: By, depth: usize) -> String {
        const SHOWN: usize = 20;
        let total = self.total();
        let location = match self.measured {
            "tract" => "nodes of tract's plan",
            _ => "nodes on ontrace's kernels (eager)",
        };
        let mut text = format!("time by {}, {location}, median of {}\n", by.name(), count(self.calls, "call"));
        let rows = self.rows(by, depth);
        let width = rows.iter().take(SHOWN).map(|row| row.label.chars().count()).max().unwrap_or(0).clamp(16, 60);
        text.push_str(&format!("   {:<width$} {:>6} {:>12} {:>8}\n", by.name(), "nodes", "time", "share"));
        for row in rows.iter().take(SHOWN) {
            let share = 100.0 * row.seconds / total.max(f64::MIN_POSITIVE);
            text.push_str(&format!("   {:<width$} {:>6} {:>12} {share:>6.1} %\n", printable(&row.label), row.nodes, time(row.seconds)));
        }
        if rows.len() > SHOWN {
            let rest: f64 = rows[SHOWN..].iter().map(|row| row.seconds).sum();
            text.push_str(&format!("   {:<width$} {:>6} {:>12}\n", format!("{} more", rows.len() - SHOWN), "", time(rest)));
        }
        text + &format!("   {:<width$} {:>6} {:>12}\n", "all", self.costs.len(), time(total))
    }

    /// As JSON, in seconds.
    pub fn to_json(&self, by: By, depth: usize) -> Value {
        let rows: Vec<Value> =
            self.rows(by, depth).into_iter().map(|row| json!({"name": row.label, "nodes": row.nodes, "seconds": row.seconds})).collect();
        json!({"by": by.name(), "measured": self.measured, "calls": self.calls, "seconds": self.total(), "rows": rows})
    }
}

/// The median for each node of several calls.
fn medians(calls: &[Vec<f64>]) -> Vec<f64> {
    let nodes = calls.iter().map(Vec::len).min().unwrap_or(0);
    (0..nodes).map(|i| median(&calls.iter().map(|call| call[i]).collect::<Vec<_>>())).collect()
}
