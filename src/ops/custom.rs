//! Operators that a user's crate defines: rule, kernel, attributes, and their decomposition for runtimes that do not know them.

use super::Reader;
use crate::array::Array;
use crate::dim::{Assumptions, Dim, Expr, Sizes, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Agreement, Attributes, Graph, Inputs, Operator};
use crate::onnx::{GraphBuilder, NEWEST_OPSET, Name, Node, NodeBuilder};
use crate::tensor::{Recorder, Tensor, apply, untraced};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An operator of a domain of its own. It is traced, checked, written and read like those of ONNX, and runs on its kernel as one node
/// inside tract's plan.
///
/// Where it [composes](CustomOp::compose) standard operators, that is written as a [function](https://onnx.ai/onnx/repo-docs/IR.html#functions)
/// beside its node: every runtime that knows functions runs the file, and it is read without this type too. Where it does not, only who
/// has its kernel runs the file, and reading needs [`OpRegistry`] that have it.
///
/// ```
/// use ontrace::graph::Inputs;
/// use ontrace::onnx::{NodeBuilder, Node};
/// use ontrace::ops::{CustomOp, OpRegistry};
/// use ontrace::read::LoadOptions;
/// use ontrace::{Array, Result, Tensor, Traced, Type, trace_fn};
///
/// /// x + sin²(a·x) / a
/// #[derive(Debug)]
/// struct Snake {
///     a: f32,
/// }
///
/// impl CustomOp for Snake {
///     const DOMAIN: &'static str = "com.example";
///     const NAME: &'static str = "Snake";
///
///     fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
///         Ok(vec![inputs.at(0)?.clone()])
///     }
///
///     fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
///         let x = inputs.at(0)?;
///         let y = x.to_vec::<f32>()?.iter().map(|x| x + (self.a * x).sin().powi(2) / self.a).collect();
///         Ok(vec![Array::new(x.shape(), y)?])
///     }
///
///     fn write<'a>(&self, line: NodeBuilder<'a>) -> NodeBuilder<'a> {
///         line.float("a", self.a)
///     }
///
///     fn read(node: &Node) -> Result<Snake> {
///         Ok(Snake { a: node.float("a", 1.0)? })
///     }
///
///     fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
///         let x = inputs.at(0)?;
///         let sine = x.mul(self.a)?.sin()?;
///         Ok(Some(vec![x.add(sine.mul(&sine)?.div(self.a)?)?]))
///     }
/// }
///
/// let x = Tensor::from(&[0.5f32, -1.0]);
/// let traced = trace_fn(|x: Tensor| Snake { a: 2.0 }.apply_one(&[&x])?.relu(), &x)?;
/// assert_eq!(traced.graph().nodes()[0].op.name(), "Snake");
/// let model = traced.to_model()?;
/// assert_eq!(model.proto.functions[0].name, "Snake");
/// // Read as its decomposition, or as the operator.
/// assert!(Traced::from_model(model.clone())?.graph().nodes().len() > 2);
/// assert_eq!(LoadOptions::new().operators(&OpRegistry::new().with::<Snake>()).traced_model(model)?.graph().nodes().len(), 2);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub trait CustomOp: fmt::Debug + Send + Sync + Sized + 'static {
    /// The domain of the operator: a name that is its author's, `com.example`.
    const DOMAIN: &'static str;

    /// Its name in the domain.
    const NAME: &'static str;

    /// The version of the domain that has it.
    const VERSION: i64 = 1;

    /// The types of the outputs. A size may be symbolic: take it over, or do arithmetic on it.
    ///
    /// # Errors
    /// Where the inputs do not fit the operator or each other.
    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>>;

    /// The outputs; their types are compared with what the rule says of them at every call.
    ///
    /// # Errors
    /// Where an element does not fit.
    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>>;

    /// Writes the attributes on the node: all that the operator computes from besides its inputs. Two operators that write the same are
    /// [equal](crate::graph::Attributes).
    fn write<'a>(&self, node: NodeBuilder<'a>) -> NodeBuilder<'a>;

    /// The operator of a node: the mirror image of [`write`](CustomOp::write).
    ///
    /// # Errors
    /// Where an attribute is missing, or is not what it should be.
    fn read(node: &Node) -> Result<Self>;

    /// The same outputs by standard operators, if it can be said so; it sees nothing but the inputs. A check holds the kernel against it.
    ///
    /// # Errors
    /// Those of the operators.
    fn compose(&self, _inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        Ok(None)
    }

    /// How closely the kernel agrees with another implementation.
    fn agreement(&self) -> Agreement {
        Agreement::Rounding
    }

    /// Applies the operator; optional inputs may be absent.
    ///
    /// # Errors
    /// As [`tensor::apply`](crate::tensor::apply()).
    #[track_caller]
    fn apply(self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>> {
        const { named::<Self>() };
        apply(CustomOpNode(Box::new(self)), inputs)
    }

    /// Applies an operator that has one output.
    ///
    /// # Errors
    /// As [`CustomOp::apply`].
    #[track_caller]
    fn apply_one(self, inputs: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<_> = inputs.iter().map(|tensor| Some(*tensor)).collect();
        self.apply(&inputs)?.into_iter().next().ok_or_else(|| Error::internal("the operator has no output"))
    }
}

/// Refuses to compile an operator without a name, or of ONNX's own domain.
const fn named<C: CustomOp>() {
    assert!(!C::NAME.is_empty() && !C::DOMAIN.is_empty(), "a custom operator needs a name and a domain outside ONNX's");
}

/// The operators of users' crates that are read as what they are.
///
/// A value that is passed to who reads a file, and not a list of the whole process: what a file becomes depends on nothing that another
/// thread or another crate did before. A traced graph knows the operators that it has, so that its session and its replay need none.
#[derive(Clone, Debug, Default)]
pub struct OpRegistry(BTreeMap<(&'static str, &'static str), Reader>);

impl OpRegistry {
    /// None.
    pub fn new() -> OpRegistry {
        OpRegistry::default()
    }

    /// These and this one.
    #[must_use]
    pub fn with<C: CustomOp>(mut self) -> OpRegistry {
        const { named::<C>() };
        self.0.insert((C::DOMAIN, C::NAME), read::<C>);
        self
    }

    /// Those of a graph, and of the graphs inside it.
    pub(crate) fn of(graph: &Graph) -> OpRegistry {
        let mut found = OpRegistry::new();
        let mut open = vec![graph];
        while let Some(graph) = open.pop() {
            for op in graph.nodes().iter().map(|node| &*node.op) {
                open.extend(op.graphs());
                if let Some(own) = (op as &dyn Any).downcast_ref::<CustomOpNode>() {
                    found.0.insert((own.domain(), own.name()), own.0.reader());
                }
            }
        }
        found
    }

    /// The reader of an operator.
    pub(crate) fn reader(&self, domain: &str, name: &str) -> Option<Reader> {
        self.0.get(&(domain, name)).copied()
    }
}

fn read<C: CustomOp>(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let inputs: Vec<Option<&Tensor>> = (0..inputs.len()).map(|i| inputs.opt(i)).collect();
    C::read(node)?.apply(&inputs)
}

/// What a [`CustomOp`] says, whichever it is.
trait DynCustomOp: fmt::Debug + Send + Sync {
    fn key(&self) -> (&'static str, &'static str);
    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>>;
    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>>;
    fn node<'a>(&self, builder: &'a mut GraphBuilder, inputs: &[Name]) -> NodeBuilder<'a>;
    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>>;
    fn agreement(&self) -> Agreement;
    fn attributes(&self) -> Result<Attributes>;
    fn reader(&self) -> Reader;
}

impl<C: CustomOp> DynCustomOp for C {
    fn key(&self) -> (&'static str, &'static str) {
        (C::DOMAIN, C::NAME)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        CustomOp::infer(self, inputs)
    }

    fn eval(&self, inputs: &Inputs<Array>) -> Result<Vec<Array>> {
        CustomOp::eval(self, inputs)
    }

    fn node<'a>(&self, builder: &'a mut GraphBuilder, inputs: &[Name]) -> NodeBuilder<'a> {
        self.write(builder.node(C::NAME, inputs).domain(C::DOMAIN, C::VERSION))
    }

    fn compose(&self, inputs: &Inputs<Tensor>) -> Result<Option<Vec<Tensor>>> {
        CustomOp::compose(self, inputs)
    }

    fn agreement(&self) -> Agreement {
        CustomOp::agreement(self)
    }

    fn attributes(&self) -> Result<Attributes> {
        let mut scratch = GraphBuilder::new(NEWEST_OPSET);
        Attributes::from_proto(&self.write(scratch.node(C::NAME, &[])).into_attributes())
    }

    fn reader(&self) -> Reader {
        read::<C>
    }
}

/// A user's operator as one of ours.
struct CustomOpNode(Box<dyn DynCustomOp>);

impl fmt::Debug for CustomOpNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl CustomOpNode {
    /// Its decomposition, for inputs of these types; `None` where it does not say.
    fn body(&self, inputs: &[Option<Type>], outputs: &[Type]) -> Result<Option<Graph>> {
        // Sizes that are equal in the example are equal by the operator's rule.
        let recorder = Recorder::open().with_assumptions(Assumptions::default())?;
        let input = |(i, ty): (usize, &Option<Type>)| {
            ty.as_ref().map(|ty| recorder.input(&format!("input_{i}"), ty.clone(), &Tensor::of_type(ty.clone()))).transpose()
        };
        let tensors = inputs.iter().enumerate().map(input).collect::<Result<Vec<_>>>()?;
        let tensors: Vec<Option<&Tensor>> = tensors.iter().map(Option::as_ref).collect();
        let Some(made) = self.0.compose(&Inputs::new(&tensors))? else { return Ok(None) };
        let graph = recorder.finish(&made)?;
        if let Some(guard) = graph.guards().first() {
            return Err(Error::trace(format!("the decomposition of {} is valid only for {guard}", self.name()))
                .help("a decomposition must not branch on values: keep it a tensor"));
        }
        let fits = |(made, ty): (&Tensor, &Type)| made.dtype() == ty.dtype && made.rank() == ty.rank();
        if made.len() != outputs.len() || !made.iter().zip(outputs).all(fits) {
            let list = |types: Vec<String>| types.join(", ");
            let (made, said) = (made.iter().map(|made| made.ty().to_string()), outputs.iter().map(Type::to_string));
            return Err(Error::new(
                ErrorCode::Mismatch,
                format!("infer gives {}, the decomposition {}", list(said.collect()), list(made.collect())),
            ));
        }
        Ok(Some(graph))
    }
}

/// The types with a symbol of its own for every size that a function cannot compute from the axes that it sees.
fn seen_from_inside(types: Vec<Option<Type>>) -> Vec<Option<Type>> {
    let dims = || types.iter().flatten().flat_map(|ty| ty.shape.iter());
    let known: BTreeSet<_> = dims().filter_map(|dim| dim.expr().as_symbol().cloned()).collect();
    let mut others: Vec<Expr> = Vec::new();
    for dim in dims().filter(|dim| dim.is_symbolic() && !dim.expr().symbols().iter().all(|symbol| known.contains(symbol))) {
        if !others.contains(&dim.expr()) {
            others.push(dim.expr());
        }
    }
    let inside = |dim: &Dim| match others.iter().position(|other| *other == dim.expr()) {
        Some(i) => Dim::new(Expr::symbol(&format!("size{i}")), dim.example()),
        None => dim.clone(),
    };
    let inside = |ty: &Type| Type::new(ty.dtype, ty.shape.iter().map(inside).collect::<Vec<_>>());
    types.iter().map(|ty| ty.as_ref().map(inside)).collect()
}

impl Operator for CustomOpNode {
    fn name(&self) -> &'static str {
        self.0.key().1
    }

    fn domain(&self) -> &'static str {
        self.0.key().0
    }

    fn attributes(&self) -> Attributes {
        // A tensor that was encoded just now is decoded.
        self.0.attributes().unwrap_or_default()
    }

    fn dims(&self) -> Vec<Dim> {
        // What is written on a node is fixed.
        Vec::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        self.0.infer(inputs)
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        self.0.eval(inputs)
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let ty = |name: &Name| if name.is_empty() { Ok(None) } else { builder.ty(name).cloned().map(Some) };
        let types = seen_from_inside(inputs.iter().map(ty).collect::<Result<_>>()?);
        let graph = untraced(|| self.body(&types, outputs))?;
        let body = match graph {
            Some(graph) => Some(builder.body(&types, |builder, names| {
                let given: Vec<Name> = names.iter().zip(&types).filter(|(_, ty)| ty.is_some()).map(|(name, _)| name.clone()).collect();
                Ok(graph.write(builder, &given)?.outputs)
            })?),
            None => None,
        };
        let node = self.0.node(builder, inputs);
        Ok(match body {
            Some(body) => node.calling(body),
            None => node,
        }
        .write(outputs))
    }

    fn agreement(&self) -> Agreement {
        self.0.agreement()
    }

    fn composed(&self, inputs: &Inputs<Array>) -> Result<Option<Vec<Array>>> {
        let tensors: Vec<Option<Tensor>> = (0..inputs.len()).map(|i| inputs.opt(i).cloned().map(Tensor::from)).collect();
        let tensors: Vec<Option<&Tensor>> = tensors.iter().map(Option::as_ref).collect();
        let made = untraced(|| self.0.compose(&Inputs::new(&tensors)))?;
        made.map(|made| made.iter().map(Tensor::to_array).collect()).transpose()
    }
}
