//! Makes the example inputs that a model is traced, checked or run with, from the options and from what the file says.

use crate::array_files;
use crate::images;
use crate::input_spec::{DataSource, Spec};
use crate::suggestion::did_you_mean;
use ontrace::read::LoadedModel;
use ontrace::{Array, DType, DynModule, Error, ErrorCode, Example, Result, ResultExt, Shape, Tensor, Type};
use std::path::Path;

/// The options for inputs and symbolic dimensions.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Inputs {
    /// An input: [NAME:]SHAPE[:DTYPE][=SOURCE], or NAME=SOURCE; repeated for several. `@all.npz` gives all by name
    ///
    /// SHAPE is 1,3,224,224 or 1x3x224x224 or [1,3,224,224], [] for a single number (n:[]:i64); a size may be NAME=2 (symbolic). DTYPE
    /// defaults to the model's, else f32. SOURCE is @x.npy, @x.npz (the array of the input's name, else the only one), @x.npz#key, @x.safetensors#key, @photo.png or @photo.jpg (resized, cropped and
    /// normalised for ImageNet, or as it says: @photo.png,resize=256,crop=224,mean=0.5,std=0.5,scale=255,layout=nchw,color=rgb), zeros, ones, arange, normal, uniform(a,b), int(a,b), a number (n=5, which a check keeps), or none (an optional input is left out). Members of lists and dictionaries are
    /// inputs of their own: xs.0, inputs.ids.
    #[arg(short = 'i', long = "input", value_name = "SPEC", allow_hyphen_values = true)]
    specs: Vec<String>,
    /// Make an axis symbolic: INPUT:AXIS=NAME or INPUT:AXIS=NAME:MIN..MAX; repeated for several axes; or `all` of them, as far as the model allows
    #[arg(long = "dynamic", value_name = "INPUT:AXIS=NAME[:MIN..MAX]", allow_hyphen_values = true)]
    dynamic: Vec<String>,
    /// Fix a symbolic size that the file declares: NAME=SIZE, or NAME for the size of the example; repeated for several
    #[arg(long = "fixed", alias = "fix", value_name = "NAME=SIZE", allow_hyphen_values = true)]
    fixed: Vec<String>,
    /// Axes with a size: input, axis, size.
    #[arg(skip)]
    sized: Vec<(String, i64, usize)>,
}

/// A model with the example inputs that the options ask for.
pub struct Prepared {
    /// The model, as a function of the inputs of the example.
    pub model: LoadedModel,
    /// The inputs: with values where the options or the file give some, else their types.
    pub example: Example,
    /// The inputs that the options name, of those in the example.
    pub given: Vec<String>,
    /// Those of them that are floats given as a number (`a=0.5`): a check keeps their value.
    pub scalars: Vec<String>,
    /// What was decided for the user.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The inputs whose values the options give.
    pub fn given_values(&self) -> Vec<String> {
        let has_value = |name: &&String| self.example.inputs().iter().any(|(other, tensor)| other == *name && !tensor.is_type_only());
        self.given.iter().filter(has_value).cloned().collect()
    }

    /// Refuses inputs that nobody gave, where values of others were given: they would be made up beside real ones.
    pub fn refuse_missing(&self) -> Result<()> {
        let has_values = self.example.inputs().iter().any(|(name, tensor)| self.given.contains(name) && !tensor.is_type_only());
        let missing: Vec<&str> = self
            .example
            .inputs()
            .iter()
            .map(|input| input.0.as_str())
            .filter(|name| !self.given.iter().any(|given| given == name))
            .collect();
        match missing.first().filter(|_| has_values) {
            None => Ok(()),
            Some(first) => {
                let noun = if missing.len() == 1 { "input" } else { "inputs" };
                let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
                let is_float = self.example.inputs().iter().any(|(name, tensor)| name == first && tensor.dtype().is_float());
                let made_up = if is_float { "normal" } else { "ones" };
                Err(Error::input(format!("{noun} {} not given", names.join(", ")))
                    .help(format!("give it: -i {first}=@{first}.npy or -i {first}={made_up}")))
            }
        }
    }
}

/// An input of the model, and what the options say of it.
struct Slot {
    name: String,
    /// How it can be given, for messages: `x:1,3,224,224`, `n=5`.
    spelling: String,
    /// The type of a single number that the program declares: `int`, `float` or `bool`.
    scalar: Option<&'static str>,
    /// What the file says: values or a type.
    before: Option<Tensor>,
    given: Option<Tensor>,
    is_absent: bool,
    /// Whether it is a float that was given as a number.
    is_number: bool,
    /// Symbolic sizes by axis.
    symbols: Vec<(usize, String)>,
}

impl Inputs {
    /// The options `-i` and `--dynamic` with these values.
    pub fn new(specs: &[String], dynamic: &[String]) -> Inputs {
        Inputs { specs: specs.to_vec(), dynamic: dynamic.to_vec(), fixed: Vec::new(), sized: Vec::new() }
    }

    /// Names or fixes the size of an axis, as `INPUT:AXIS=NAME` or `INPUT:AXIS=SIZE` says.
    ///
    /// # Errors
    /// A usage error for anything else.
    pub fn add_dim(&mut self, spec: &str) -> Result<()> {
        let wrong = || {
            Error::argument(format!("`{}`: expected INPUT:AXIS=NAME or INPUT:AXIS=SIZE", spec.escape_debug()))
                .help("for example: --dim x:0=batch or --dim x:0=4")
        };
        let (axis, size) = spec.rsplit_once('=').ok_or_else(wrong)?;
        let (input, axis) = axis.rsplit_once(':').ok_or_else(wrong)?;
        match size.parse::<usize>() {
            Ok(size) => self.sized.push((input.to_string(), axis.parse().map_err(|_| wrong())?, size)),
            Err(_) => self.dynamic.push(spec.to_string()),
        }
        Ok(())
    }

    /// Whether no option was given.
    pub fn are_empty(&self) -> bool {
        self.specs.is_empty() && self.dynamic.is_empty() && self.fixed.is_empty() && self.sized.is_empty()
    }

    /// The options as they were given.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"input": self.specs, "dynamic": self.dynamic, "fixed": self.fixed})
    }

    /// The model with its example inputs: those of the file, changed and completed by the options.
    pub fn apply(&self, model: LoadedModel) -> Result<Prepared> {
        let (open, optional, types) = (model.open_inputs(), model.optional_inputs(), model.input_types());
        let mut names = model.input_names();
        // A number that has a default is an input where an option names it.
        let is_named = |name: &str| self.specs.iter().any(|spec| spec.strip_prefix(name).is_some_and(|rest| rest.starts_with(['=', ':'])));
        let scalars = types.iter().filter(|(name, declared)| !names.contains(name) && scalar_type(declared).is_some() && is_named(name));
        names.extend(scalars.map(|own| own.0.clone()).collect::<Vec<_>>());
        let specs = self.specs(&names, &open)?;
        let from_file = model.example().cloned();
        let mut slots = slots(&names, &open, from_file.as_ref(), &specs, &types);
        let mut notes = Vec::new();
        let mut next = 0;
        for (i, spec) in specs.iter().enumerate() {
            let position = match &spec.name {
                Some(name) => slots.iter().position(|slot| slot.name == *name).ok_or_else(|| unknown(name, &names))?,
                None => next,
            };
            next = position + 1;
            let inputs = names.join(", ");
            let slot = slots.get_mut(position).ok_or_else(|| {
                Error::input(format!("{} inputs given, more than the model has", i + 1)).help(format!("the inputs are: {inputs}"))
            })?;
            if slot.given.is_some() || slot.is_absent {
                let help = format!("give its shape, dtype and source in one option, for example: -i {0}:2,3:f32=ones", slot.name);
                return Err(Error::input(format!("input `{}` is given twice", slot.name)).help(help));
            }
            slot.apply(spec, position, &mut notes)?;
        }
        for slot in slots.iter_mut().filter(|slot| slot.before.is_none() && slot.given.is_none() && !slot.is_absent) {
            slot.is_absent = optional.contains(&slot.name);
            if slot.is_absent {
                notes.push(format!("input `{}` is left out: it has a default", slot.name));
            }
        }
        let names_of = |test: &dyn Fn(&Slot) -> bool| slots.iter().filter(|slot| test(slot)).map(|slot| slot.name.clone()).collect();
        let (given, scalars) = (names_of(&|slot| slot.given.is_some()), names_of(&|slot| slot.is_number));
        let example = self.dynamic(example(&slots, from_file)?)?;
        let model = if specs.is_empty() && slots.iter().all(|slot| !slot.is_absent) { model } else { model.with_inputs(&example)? };
        Ok(Prepared { model, example, given, scalars, notes })
    }

    /// The `-i` options, with a file of arrays for all inputs as one option for each.
    fn specs(&self, names: &[String], open: &[String]) -> Result<Vec<Spec>> {
        let mut specs = Vec::new();
        for text in &self.specs {
            for spec in Spec::parse(text, names, open)? {
                match &spec {
                    Spec { name: None, shape: None, source: Some(DataSource::File(path)), .. } => specs.extend(by_name(path, names, open)?),
                    _ => specs.push(spec),
                }
            }
        }
        Ok(specs)
    }

    /// The example with the axes of `--dynamic` symbolic, and those of `--fixed` not.
    fn dynamic(&self, mut example: Example) -> Result<Example> {
        let mut named: Vec<(String, usize)> = Vec::new();
        for spec in &self.dynamic {
            if spec == "all" {
                example = example.symbolic_wherever_possible()?;
                continue;
            }
            let axis;
            (example, axis) = symbolic(example, spec)?;
            if named.contains(&axis) {
                return Err(Error::argument(format!("axis {} of input `{}` is named twice", axis.1, axis.0))
                    .help(format!("give one name: --dynamic {}:{}=NAME", axis.0, axis.1)));
            }
            named.push(axis);
        }
        for (input, axis, size) in &self.sized {
            example = sized(example, input, *axis, *size)?;
        }
        for spec in &self.fixed {
            let wrong = || Error::argument(format!("`{spec}`: expected NAME=SIZE")).help("for example: --fixed batch=1");
            let (name, size) = match spec.split_once('=') {
                Some((name, size)) => (name, Some(size.parse().map_err(|_| wrong())?)),
                None => (spec.as_str(), None),
            };
            example = example.fixed(name, size)?;
        }
        Ok(example)
    }
}

/// Makes an axis symbolic as `INPUT:AXIS=NAME` or `INPUT:AXIS=NAME:MIN..MAX` says, and gives the axis; either end of the range can be left out.
fn symbolic(example: Example, spec: &str) -> Result<(Example, (String, usize))> {
    let wrong = || {
        let message = format!("`{spec}`: expected INPUT:AXIS=NAME or INPUT:AXIS=NAME:MIN..MAX");
        Error::argument(message).help("for example: --dynamic x:1=seq:1..512")
    };
    let (axis, symbol) = spec.rsplit_once('=').ok_or_else(wrong)?;
    let (input, axis) = axis.rsplit_once(':').ok_or_else(wrong)?;
    let (symbol, range) = symbol.split_once(':').map_or((symbol, None), |(symbol, range)| (symbol, Some(range)));
    let index: i64 = axis.parse().map_err(|_| wrong())?;
    // Sizes that contradict the option are a wrong option.
    let refused = |error: Error| match (error.code(), error.help_line()) {
        (ErrorCode::Size, Some(help)) => Error::argument(format!("`{spec}`: {error}")).help(help),
        (ErrorCode::Size, None) => {
            Error::argument(format!("`{spec}`: {error}")).help(format!("give an example that fits: -i {input}:SHAPE"))
        }
        _ => error,
    };
    let names: Vec<String> = example.inputs().iter().map(|own| own.0.clone()).collect();
    if !names.iter().any(|name| name == input) {
        return Err(unknown(input, &names));
    }
    let example = example.symbolic(input, index, symbol).map_err(refused)?;
    let tensor = example.inputs().iter().find(|own| own.0 == input).map(|own| own.1.shape().axis(index)).transpose()?;
    let axis = (input.to_string(), tensor.unwrap_or_default());
    let Some((least, greatest)) = range.map(|range| range.split_once("..").ok_or_else(wrong)).transpose()? else {
        return Ok((example, axis));
    };
    let end = |text: &str, open: usize| if text.is_empty() { Ok(open) } else { text.parse().map_err(|_| wrong()) };
    Ok((example.range(symbol, end(least, 0)?..=end(greatest, usize::MAX)?).map_err(refused)?, axis))
}

/// Fixes the size of an axis that the file declares symbolic; one that is fixed must have it already.
fn sized(example: Example, input: &str, axis: i64, size: usize) -> Result<Example> {
    let names: Vec<String> = example.inputs().iter().map(|input| input.0.clone()).collect();
    let tensor = example.inputs().iter().find(|own| own.0 == input).map(|own| own.1.clone()).ok_or_else(|| unknown(input, &names))?;
    let dim = tensor.shape()[tensor.shape().axis(axis)?].clone();
    match (dim.fixed(), dim.expr().as_symbol()) {
        (Some(known), _) if known == size as i64 => Ok(example),
        (None, Some(symbol)) => example.fixed(symbol, Some(size)),
        _ => Err(Error::argument(format!("axis {axis} of input `{input}` has the size {dim}, which cannot become {size}"))
            .help("only a symbolic size can be fixed; name it first: --dim INPUT:AXIS=NAME")),
    }
}

fn unknown(name: &str, names: &[String]) -> Error {
    Error::input(format!("there is no input `{name}`")).help(did_you_mean(name, names, "inputs"))
}

/// One option for each array of a file that is called like an input; an .npy file is the next input without a name.
fn by_name(path: &str, names: &[String], open: &[String]) -> Result<Vec<Spec>> {
    let is_one = path.contains('#') || Path::new(path).extension().is_some_and(|extension| extension == "npy");
    if is_one || images::is_image(path) {
        return Ok(vec![Spec { source: Some(DataSource::File(path.to_string())), ..Spec::default() }]);
    }
    let arrays = array_files::read_all(Path::new(path))?;
    let all = arrays.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut specs = Vec::new();
    for (name, array) in arrays {
        // The name is resolved as that of an option is.
        if let Ok(spec) = Spec::parse(&format!("{name}=zeros"), names, open).map(|mut specs| specs.remove(0))
            && spec.name.is_some()
        {
            specs.push(Spec { source: Some(DataSource::Values(array)), ..spec });
        }
    }
    match specs.is_empty() {
        true => Err(Error::input(format!("no array of {path} is called like an input"))
            .help(format!("its arrays are: {all}; the inputs are: {}", names.join(", ")))),
        false => Ok(specs),
    }
}

/// The inputs of the model. One that has members is replaced by those that the options name.
fn slots(names: &[String], open: &[String], from_file: Option<&Example>, specs: &[Spec], types: &[(String, String)]) -> Vec<Slot> {
    let slot = |name: &str, before: Option<Tensor>| Slot {
        name: name.to_string(),
        spelling: spelling(name, before.as_ref(), types),
        scalar: before.is_none().then(|| scalar_type(declared_type(name, types))).flatten(),
        before,
        given: None,
        is_absent: false,
        is_number: false,
        symbols: Vec::new(),
    };
    if let Some(example) = from_file {
        return example.inputs().iter().map(|(name, tensor)| slot(name, Some(tensor.clone()))).collect();
    }
    let mut slots = Vec::new();
    for name in names {
        let mut members: Vec<&str> = Vec::new();
        for given in specs.iter().filter_map(|spec| spec.name.as_deref()).filter(|given| given.starts_with(name.as_str()) && given != name)
        {
            if open.contains(name) && !names.iter().any(|other| other == given) && !members.contains(&given) {
                members.push(given);
            }
        }
        match members.is_empty() {
            true => slots.push(slot(name, None)),
            false => slots.extend(members.into_iter().map(|member| slot(member, None))),
        }
    }
    slots
}

/// How an input can be given on the command line, by its type.
fn spelling(name: &str, before: Option<&Tensor>, types: &[(String, String)]) -> String {
    if let Some(tensor) = before {
        let sizes: Vec<String> =
            tensor.shape().iter().map(|dim| dim.example().map_or_else(|| "1".to_string(), |n| n.to_string())).collect();
        return if sizes.is_empty() { format!("{name}=1") } else { format!("{name}:{}", sizes.join(",")) };
    }
    spelled(name, declared_type(name, types))
}

/// The declared type of an input; a member has that of what its input is a list of.
fn declared_type<'a>(name: &str, types: &'a [(String, String)]) -> &'a str {
    let declared = types.iter().find(|own| own.0 == name).or_else(|| types.iter().find(|own| name.starts_with(&format!("{}.", own.0))));
    declared.map_or("Tensor", |own| own.1.as_str())
}

/// The type of a single number, where a declared type is one.
fn scalar_type(declared: &str) -> Option<&'static str> {
    let inner = declared.strip_prefix("Optional[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(declared);
    ["int", "float", "bool"].into_iter().find(|known| *known == inner)
}

/// How an input of a type of TorchScript can be given.
fn spelled(name: &str, declared: &str) -> String {
    let inner = |of: &str| declared.strip_prefix(of).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.strip_suffix(']'));
    if let Some(kind) = inner("Optional") {
        return spelled(name, kind);
    }
    if let Some(kind) = inner("List").filter(|_| !name.contains('.')) {
        return spelled(&format!("{name}.0"), kind);
    }
    if let Some(kind) = inner("Dict").and_then(|kinds| kinds.split_once(", ")) {
        return spelled(&format!("{name}.KEY"), kind.1);
    }
    if let Some(kinds) = inner("Tuple") {
        let members: Vec<String> = kinds.split(", ").enumerate().map(|(i, kind)| spelled(&format!("{name}.{i}"), kind)).collect();
        return members.join(" -i ");
    }
    match declared.trim_start_matches("List[").trim_end_matches(']') {
        "int" | "number" => format!("{name}=5"),
        "float" => format!("{name}=0.5"),
        "bool" => format!("{name}=true"),
        _ => format!("{name}:1,3,224,224"),
    }
}

/// The example of the file with what was given in place of its own; where the file has none, what was given.
fn example(slots: &[Slot], from_file: Option<Example>) -> Result<Example> {
    let mut example = match from_file {
        Some(example) => {
            let present = slots.iter().filter(|slot| slot.is_absent).fold(example, |example, slot| example.without(&slot.name));
            let given: Vec<(String, Tensor)> = slots.iter().filter_map(|slot| Some((slot.name.clone(), slot.given.clone()?))).collect();
            // Sizes that contradict each other are those of the options.
            present.with_given(&given).map_err(|error| match error.code() {
                ErrorCode::Size => Error::input(error.to_string()),
                _ => error,
            })?
        }
        None => {
            let flags = || slots.iter().map(|slot| format!("-i {}", slot.spelling)).collect::<Vec<_>>().join(" ");
            let missing = |slot: &Slot| {
                Error::new(ErrorCode::NoInputs, format!("unknown shape for input `{}`", slot.name))
                    .help(format!("give every input, for example: {}", flags()))
            };
            let present = slots.iter().filter(|slot| !slot.is_absent);
            present.map(|slot| Ok((&slot.name, slot.given.as_ref().ok_or_else(|| missing(slot))?))).try_fold(
                Example::new(),
                |example, input: Result<_>| {
                    let (name, tensor) = input?;
                    Ok::<_, Error>(example.input(name, tensor))
                },
            )?
        }
    };
    for (slot, (axis, symbol)) in slots.iter().flat_map(|slot| slot.symbols.iter().map(move |symbol| (slot, symbol))) {
        example = example.symbolic(&slot.name, *axis as i64, symbol)?;
    }
    Ok(example)
}

impl Slot {
    /// Takes what an option says of this input, the one at this position.
    fn apply(&mut self, spec: &Spec, position: usize, notes: &mut Vec<String>) -> Result<()> {
        let before = self.before.as_ref().map(|tensor| tensor.ty().clone());
        // As in Python, a whole number is an integer.
        let is_whole = matches!(spec.source, Some(DataSource::Number(x)) if spec.shape.is_none() && x.fract() == 0.0);
        let default = match self.scalar {
            Some("bool") => DType::Bool,
            Some("float") => DType::F32,
            _ if is_whole => DType::I64,
            _ => DType::F32,
        };
        let dtype = spec.dtype.or(before.as_ref().map(|ty| ty.dtype)).unwrap_or(default);
        let wanted = spec.shape.as_ref().map(|shape| shape.iter().map(|size| size.1).collect::<Vec<_>>());
        let read = match &spec.source {
            Some(DataSource::Absent) => {
                self.is_absent = true;
                return Ok(());
            }
            Some(DataSource::File(path)) if images::is_image(path) => {
                let given = wanted.as_ref().map(|shape| Type::new(dtype, Shape::fixed(shape)));
                let image = images::read(path, given.as_ref().or(before.as_ref()), dtype).at(format!("input {}", self.name))?;
                notes.push(format!("input `{}`: {}", self.name, image.note));
                Some((image.array, path.as_str()))
            }
            Some(DataSource::File(path)) => Some((array_files::read(path, Some(&self.name))?, path.as_str())),
            Some(DataSource::Values(array)) => Some((array.clone(), self.name.as_str())),
            _ => None,
        };
        let tensor = if let Some((array, origin)) = read {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != array.shape()) {
                return Err(Error::input(format!("{origin} has shape {:?}, expected {wanted:?}", array.shape())));
            }
            Tensor::from(self.converted(array, spec.dtype, notes)?)
        } else {
            let shape = wanted.or_else(|| before.as_ref().and_then(|ty| ty.shape.example()));
            // A number has a shape of its own.
            let shape = shape.or_else(|| matches!(spec.source, Some(DataSource::Number(_))).then(Vec::new));
            let shape = shape.ok_or_else(|| {
                Error::new(ErrorCode::NoInputs, format!("unknown shape for input `{}`", self.name))
                    .help(format!("give it: -i {}", self.spelling))
            })?;
            let values = spec.source.as_ref().map(|source| source.array(dtype, &shape, position as u64 + 1)).transpose().at(&self.name)?;
            values.flatten().map_or_else(|| Tensor::of_type(Type::new(dtype, Shape::fixed(&shape))), Tensor::from)
        };
        self.check_scalar(&tensor)?;
        let named = |(axis, size): (usize, &(Option<String>, usize))| size.0.clone().map(|symbol| (axis, symbol));
        self.symbols = spec.shape.iter().flatten().enumerate().filter_map(named).collect();
        self.is_number = matches!(spec.source, Some(DataSource::Number(_))) && tensor.rank() == 0 && tensor.dtype().is_float();
        self.given = Some(tensor);
        Ok(())
    }

    /// Refuses what is no number of the type that the program declares.
    fn check_scalar(&self, tensor: &Tensor) -> Result<()> {
        let Some(declared) = self.scalar else { return Ok(()) };
        let fits = tensor.rank() == 0
            && match declared {
                "int" => tensor.dtype().is_int() || tensor.dtype() == DType::Bool,
                "bool" => tensor.dtype() == DType::Bool,
                _ => true,
            };
        match fits {
            true => Ok(()),
            false => {
                let message = format!("input `{}` is declared as {declared}, got {}", self.name, tensor.ty());
                Err(Error::input(message).help(format!("give it: -i {}", self.spelling)))
            }
        }
    }

    /// An array in the dtype that was asked for. Integers are widened to those of the model.
    fn converted(&self, array: Array, asked: Option<DType>, notes: &mut Vec<String>) -> Result<Array> {
        if let Some(dtype) = asked {
            return array.cast(dtype).at(&self.name);
        }
        let model = self.before.as_ref().map(Tensor::dtype);
        match model.filter(|model| model.is_int() && array.dtype().is_int() && model.size() > array.dtype().size()) {
            Some(model) => {
                notes.push(format!("input `{}` is widened from {} to the model's {model}", self.name, array.dtype()));
                array.cast(model).at(&self.name)
            }
            None => Ok(array),
        }
    }
}
