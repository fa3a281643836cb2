//! Integer expressions over symbols in a canonical form: equal expressions are equal values and print equally.

use super::bounds::Ranges;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A polynomial with integer coefficients over symbols, floor divisions, minima and maxima: its terms, sorted by their monomial, none with
/// coefficient 0. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Expr(Arc<[ExprTerm]>);

/// A monomial and its coefficient.
type ExprTerm = (Monomial, i64);

/// A product of powers, sorted by atom; the empty product is 1.
pub(super) type Monomial = Arc<[(Atom, u32)]>;

/// What a polynomial cannot take apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Atom {
    Symbol(Arc<str>),
    Floor(Expr, Expr),
    Min(Expr, Expr),
    Max(Expr, Expr),
}

/// One step of an expression, as a writer needs it: what to compute of what.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A number.
    Number(i64),
    /// A symbol.
    Symbol(Arc<str>),
    /// The sum of terms.
    Sum(Vec<Expr>),
    /// The product of factors.
    Product(Vec<Expr>),
    /// The quotient, rounded down.
    Floor(Expr, Expr),
    /// The smaller.
    Min(Expr, Expr),
    /// The larger.
    Max(Expr, Expr),
}

impl From<i64> for Expr {
    fn from(n: i64) -> Expr {
        Expr::term(Monomial::default(), n)
    }
}

impl Expr {
    /// The expression that is this symbol.
    pub fn symbol(name: &str) -> Expr {
        Expr::atom(Atom::Symbol(name.into()))
    }

    fn atom(atom: Atom) -> Expr {
        Expr::term(Arc::new([(atom, 1)]), 1)
    }

    fn term(monomial: Monomial, coefficient: i64) -> Expr {
        if coefficient == 0 { Expr::default() } else { Expr(Arc::new([(monomial, coefficient)])) }
    }

    /// The number that this expression is, if it has no symbol.
    pub fn number(&self) -> Option<i64> {
        match &*self.0 {
            [] => Some(0),
            [(monomial, n)] if monomial.is_empty() => Some(*n),
            _ => None,
        }
    }

    /// The symbol that this expression is, if it is nothing else.
    pub fn as_symbol(&self) -> Option<&Arc<str>> {
        match &*self.0 {
            [(monomial, 1)] => match &**monomial {
                [(Atom::Symbol(name), 1)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The sum.
    pub fn add(&self, other: &Expr) -> Expr {
        match (self.0.is_empty(), other.0.is_empty()) {
            (_, true) => return self.clone(),
            (true, _) => return other.clone(),
            _ => {}
        }
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut sum = Vec::with_capacity(self.0.len() + other.0.len());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            match x.0.cmp(&y.0) {
                Ordering::Less => sum.extend(a.next().cloned()),
                Ordering::Greater => sum.extend(b.next().cloned()),
                Ordering::Equal => {
                    let coefficient = x.1.saturating_add(y.1);
                    if coefficient != 0 {
                        sum.push((x.0.clone(), coefficient));
                    }
                    a.next();
                    b.next();
                }
            }
        }
        sum.extend(a.chain(b).cloned());
        Expr(sum.into())
    }

    /// The sum of terms in any order.
    fn sum(terms: impl IntoIterator<Item = ExprTerm>) -> Expr {
        let mut terms: Vec<ExprTerm> = terms.into_iter().collect();
        terms.sort_by(|a, b| a.0.cmp(&b.0));
        terms.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            if is_same {
                first.1 = first.1.saturating_add(next.1);
            }
            is_same
        });
        terms.retain(|term| term.1 != 0);
        Expr(terms.into())
    }

    /// The same expression under what is known of its symbols: a quotient that is exact, and is multiplied by its divisor again, is its
    /// dividend; a minimum or maximum whose smaller side is known is that side or the other; a quotient of less than its divisor is 0.
    pub(super) fn simplified(&self, ranges: &Ranges, is_multiple: &dyn Fn(&Expr, i64) -> bool) -> Expr {
        let rebuilt = self.rebuilt(&|atom| {
            let part = |expr: &Expr| expr.simplified(ranges, is_multiple);
            match atom {
                Atom::Symbol(_) => None,
                Atom::Floor(a, b) => Some(match (part(a), part(b)) {
                    (a, b) if ranges.is_remainder(&a, &b) => Expr::default(),
                    (a, b) => a.floor_div(&b),
                }),
                Atom::Min(a, b) => Some(part(a).minimum_under(&part(b), ranges)),
                Atom::Max(a, b) => Some(part(a).maximum_under(&part(b), ranges)),
            }
        });
        rebuilt.without_exact_quotients(is_multiple)
    }

    /// The expression with others instead of some of its atoms.
    fn rebuilt(&self, of: &dyn Fn(&Atom) -> Option<Expr>) -> Expr {
        self.terms().fold(Expr::default(), |sum, (monomial, coefficient)| {
            let product = monomial.iter().fold(Expr::from(coefficient), |product, (atom, power)| {
                let factor = of(atom).unwrap_or_else(|| Expr::atom(atom.clone()));
                (0..*power).fold(product, |product, _| product.mul(&factor))
            });
            sum.add(&product)
        })
    }

    /// The terms: a product of atoms and its coefficient.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&Monomial, i64)> {
        self.0.iter().map(|(monomial, coefficient)| (monomial, *coefficient))
    }

    /// What its monomials are products of.
    fn all_atoms(&self) -> impl Iterator<Item = &Atom> {
        self.0.iter().flat_map(|term| term.0.iter().map(|power| &power.0))
    }

    /// The quotients, minima and maxima of which this is a polynomial, not those inside them.
    pub(super) fn atoms(&self) -> BTreeSet<Atom> {
        self.all_atoms().filter(|atom| !matches!(atom, Atom::Symbol(_))).cloned().collect()
    }

    /// The factor and the rest, of which this is `factor·atom + rest`; `None` where the atom has a power.
    pub(super) fn linear_in(&self, atom: &Atom) -> Option<(Expr, Expr)> {
        let (mut factor, mut rest) = (Expr::default(), Expr::default());
        for (monomial, coefficient) in self.terms() {
            match monomial.iter().position(|(other, _)| other == atom) {
                None => rest = rest.add(&Expr::term(monomial.clone(), coefficient)),
                Some(i) if monomial[i].1 == 1 => {
                    let others = monomial.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, power)| power.clone()).collect();
                    factor = factor.add(&Expr::term(others, coefficient));
                }
                Some(_) => return None,
            }
        }
        Some((factor, rest))
    }

    /// The same with other expressions for symbols, but not for those inside of quotients, minima and maxima.
    pub(super) fn substitute_terms(&self, of: &dyn Fn(&str) -> Option<Expr>) -> Expr {
        self.rebuilt(&|atom| match atom {
            Atom::Symbol(symbol) => of(symbol),
            _ => None,
        })
    }

    fn without_exact_quotients(self, is_multiple: &dyn Fn(&Expr, i64) -> bool) -> Expr {
        let whole = self.terms().find_map(|(monomial, coefficient)| {
            monomial.iter().enumerate().find_map(|(i, (atom, power))| {
                let Atom::Floor(a, b) = atom else { return None };
                let b = b.number().filter(|&b| b != 0 && coefficient % b == 0 && is_multiple(a, b))?;
                let mut rest = monomial.to_vec();
                match power {
                    1 => drop(rest.remove(i)),
                    _ => rest[i].1 -= 1,
                }
                Some((Expr::term(monomial.clone(), coefficient), Expr::term(rest.into(), coefficient / b).mul(a)))
            })
        });
        match whole {
            None => self,
            Some((term, product)) => self.add(&term.neg()).add(&product).without_exact_quotients(is_multiple),
        }
    }

    /// The product.
    pub fn mul(&self, other: &Expr) -> Expr {
        match (self.number(), other.number()) {
            (_, Some(n)) => return self.scaled(n),
            (Some(n), _) => return other.scaled(n),
            _ => {}
        }
        let products =
            |(a, x): (&Monomial, i64)| other.terms().map(move |(b, y)| (multiply(a, b), x.saturating_mul(y))).collect::<Vec<_>>();
        Expr::sum(self.terms().flat_map(products))
    }

    /// The product with a number.
    fn scaled(&self, n: i64) -> Expr {
        match n {
            0 => Expr::default(),
            1 => self.clone(),
            _ => Expr(self.terms().map(|(monomial, x)| (monomial.clone(), x.saturating_mul(n))).collect()),
        }
    }

    /// The negative.
    pub fn neg(&self) -> Expr {
        self.scaled(-1)
    }

    /// The quotient where it is exact for every value of the symbols.
    pub fn div_exact(&self, divisor: &Expr) -> Option<Expr> {
        if self.0.is_empty() {
            return Some(Expr::default());
        }
        if self == divisor {
            return Some(Expr::from(1));
        }
        // By one term: every term must have it as a factor. By several: the quotient's leading terms, one after the other.
        let (lead, coefficient) = divisor.0.last()?;
        let mut rest = self.clone();
        let mut quotient = Expr::default();
        while let Some((monomial, x)) = rest.0.last().cloned() {
            let part = Expr::term(divide(&monomial, lead)?, x.checked_div(*coefficient).filter(|q| q * coefficient == x)?);
            let next = rest.add(&part.mul(divisor).neg());
            if next.0.len() >= rest.0.len() && next.0.last().map(|term| &term.0) >= rest.0.last().map(|term| &term.0) {
                return None;
            }
            quotient = quotient.add(&part);
            rest = next;
        }
        Some(quotient)
    }

    /// Both expressions without the symbols and factors that divide all of their terms.
    pub(super) fn without_common_factors(&self, other: &Expr) -> (Expr, Expr) {
        let mut terms = self.terms().chain(other.terms());
        let Some((first, number)) = terms.next() else { return (self.clone(), other.clone()) };
        let common = terms.fold((first.to_vec(), number), |(common, number), (monomial, x)| {
            let power = |atom: &Atom| monomial.iter().find(|power| power.0 == *atom).map_or(0, |power| power.1);
            let shared = common.into_iter().map(|(atom, n)| (power(&atom).min(n), atom));
            (shared.filter(|shared| shared.0 > 0).map(|(n, atom)| (atom, n)).collect(), gcd(number, x))
        });
        let common = Expr::term(common.0.into(), common.1.saturating_abs().max(1));
        match (self.div_exact(&common), other.div_exact(&common)) {
            (Some(a), Some(b)) => (a, b),
            _ => (self.clone(), other.clone()),
        }
    }

    /// The quotient rounded towards negative infinity. By zero it is 0, which callers refuse before.
    pub fn floor_div(&self, divisor: &Expr) -> Expr {
        if let Some(exact) = self.div_exact(divisor) {
            return exact;
        }
        match (self.number(), divisor.number()) {
            (_, Some(0)) => Expr::default(),
            (Some(a), Some(b)) => Expr::from(floor_div(a, b)),
            (_, Some(b)) if b > 0 => {
                // floor((b·q + r) / b) = q + floor(r / b): take out what divides, so that equal sizes look equal.
                let (mut whole, mut rest) = (Expr::default(), Expr::default());
                for (monomial, x) in self.terms() {
                    whole = whole.add(&Expr::term(monomial.clone(), x.div_euclid(b)));
                    rest = rest.add(&Expr::term(monomial.clone(), x.rem_euclid(b)));
                }
                match rest.number() {
                    Some(_) => whole,
                    None => {
                        let (rest, b) = rest.reduced(b);
                        whole.add(&Expr::atom(Atom::Floor(rest, b.into())))
                    }
                }
            }
            _ => Expr::atom(Atom::Floor(self.clone(), divisor.clone())),
        }
    }

    /// The expression and a number without the factors that both have.
    pub(super) fn reduced(&self, number: i64) -> (Expr, i64) {
        let common = self.terms().fold(number, |common, (_, x)| gcd(common, x));
        if common <= 1 {
            return (self.clone(), number);
        }
        (Expr(self.terms().map(|(monomial, x)| (monomial.clone(), x / common)).collect()), number / common)
    }

    /// The remainder of [`Expr::floor_div`].
    pub fn modulo(&self, divisor: &Expr) -> Expr {
        self.add(&self.floor_div(divisor).mul(divisor).neg())
    }

    /// The smaller of two: one of them where that is certain at every size, sizes being at least 0.
    pub fn minimum(&self, other: &Expr) -> Expr {
        self.minimum_under(other, &Ranges::default())
    }

    /// The larger of two: one of them where that is certain at every size, sizes being at least 0.
    pub fn maximum(&self, other: &Expr) -> Expr {
        self.maximum_under(other, &Ranges::default())
    }

    fn minimum_under(&self, other: &Expr, ranges: &Ranges) -> Expr {
        match ranges.order(self, other) {
            Some(true) => self.clone(),
            Some(false) => other.clone(),
            None if self <= other => Expr::atom(Atom::Min(self.clone(), other.clone())),
            None => Expr::atom(Atom::Min(other.clone(), self.clone())),
        }
    }

    fn maximum_under(&self, other: &Expr, ranges: &Ranges) -> Expr {
        match ranges.order(self, other) {
            Some(true) => other.clone(),
            Some(false) => self.clone(),
            None if self <= other => Expr::atom(Atom::Max(self.clone(), other.clone())),
            None => Expr::atom(Atom::Max(other.clone(), self.clone())),
        }
    }

    /// The value where `symbol` gives a number to each symbol; `None` where one has none or a division is by zero.
    pub fn eval(&self, symbol: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        self.terms().try_fold(0i64, |sum, (monomial, coefficient)| {
            let product = monomial.iter().try_fold(coefficient, |product, (atom, power)| {
                let x = match atom {
                    Atom::Symbol(name) => symbol(name)?,
                    Atom::Floor(a, b) => {
                        let (a, b) = (a.eval(symbol)?, b.eval(symbol)?);
                        floor_div(a, (b != 0).then_some(b)?)
                    }
                    Atom::Min(a, b) => a.eval(symbol)?.min(b.eval(symbol)?),
                    Atom::Max(a, b) => a.eval(symbol)?.max(b.eval(symbol)?),
                };
                Some(product.saturating_mul(x.saturating_pow(*power)))
            })?;
            Some(sum.saturating_add(product))
        })
    }

    /// The same with other expressions for the symbols that have one.
    pub fn substitute(&self, of: &dyn Fn(&str) -> Option<Expr>) -> Expr {
        self.rebuilt(&|atom| match atom {
            Atom::Symbol(name) => of(name),
            Atom::Floor(a, b) => Some(a.substitute(of).floor_div(&b.substitute(of))),
            Atom::Min(a, b) => Some(a.substitute(of).minimum(&b.substitute(of))),
            Atom::Max(a, b) => Some(a.substitute(of).maximum(&b.substitute(of))),
        })
    }

    /// Whether it is computed from data: from sizes that are known only when a call runs, or from values.
    pub(crate) fn depends_on_data(&self) -> bool {
        self.any_symbol(&|symbol| super::is_value(symbol) || super::is_made(symbol, super::DATA))
    }

    /// Whether the value is certainly not negative, sizes being at least 0.
    pub fn is_nonnegative(&self) -> bool {
        Ranges::default().is_nonnegative(self)
    }

    /// Whether one of its symbols, also inside of quotients, minima and maxima, is like this.
    pub(super) fn any_symbol(&self, is: &dyn Fn(&str) -> bool) -> bool {
        self.all_atoms().any(|atom| match atom {
            Atom::Symbol(name) => is(name),
            Atom::Floor(a, b) | Atom::Min(a, b) | Atom::Max(a, b) => a.any_symbol(is) || b.any_symbol(is),
        })
    }

    /// Whether it has a quotient, minimum or maximum.
    pub(super) fn has_parts(&self) -> bool {
        self.all_atoms().any(|atom| !matches!(atom, Atom::Symbol(_)))
    }

    /// The symbols, in the order of their names.
    pub fn symbols(&self) -> BTreeSet<Arc<str>> {
        let mut names = BTreeSet::new();
        for atom in self.all_atoms() {
            match atom {
                Atom::Symbol(name) => drop(names.insert(name.clone())),
                Atom::Floor(a, b) | Atom::Min(a, b) | Atom::Max(a, b) => {
                    names.extend(a.symbols());
                    names.extend(b.symbols());
                }
            }
        }
        names
    }

    /// The outermost step of computing this expression.
    pub fn step(&self) -> Step {
        if let Some(n) = self.number() {
            return Step::Number(n);
        }
        match &*self.0 {
            [(monomial, coefficient)] => match (&**monomial, *coefficient) {
                ([(atom, 1)], 1) => match atom {
                    Atom::Symbol(name) => Step::Symbol(name.clone()),
                    Atom::Floor(a, b) => Step::Floor(a.clone(), b.clone()),
                    Atom::Min(a, b) => Step::Min(a.clone(), b.clone()),
                    Atom::Max(a, b) => Step::Max(a.clone(), b.clone()),
                },
                _ => {
                    let powers = monomial.iter().flat_map(|(atom, power)| (0..*power).map(|_| Expr::atom(atom.clone())));
                    Step::Product(powers.chain((*coefficient != 1).then(|| Expr::from(*coefficient))).collect())
                }
            },
            _ => Step::Sum(self.printed().map(|(monomial, coefficient)| Expr::term(monomial.clone(), coefficient)).collect()),
        }
    }

    /// The terms in the order in which they are printed: the number last.
    fn printed(&self) -> impl Iterator<Item = (&Monomial, i64)> {
        let number = self.terms().filter(|term| term.0.is_empty());
        self.terms().filter(|term| !term.0.is_empty()).chain(number)
    }
}

/// The greatest common divisor of two numbers.
pub(super) fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.saturating_abs() } else { gcd(b, a.wrapping_rem(b)) }
}

/// The quotient rounded towards negative infinity; by zero it is 0.
pub(super) fn floor_div(a: i64, b: i64) -> i64 {
    match a.checked_rem(b) {
        None if b == 0 => 0,
        // The least number divided by -1.
        None => i64::MAX,
        Some(rest) => a / b - i64::from(rest != 0 && (a < 0) != (b < 0)),
    }
}

fn multiply(a: &Monomial, b: &Monomial) -> Monomial {
    if a.is_empty() || b.is_empty() {
        return if a.is_empty() { b.clone() } else { a.clone() };
    }
    let mut powers = a.to_vec();
    for (atom, power) in b.iter() {
        match powers.binary_search_by(|known| known.0.cmp(atom)) {
            Ok(i) => powers[i].1 += power,
            Err(i) => powers.insert(i, (atom.clone(), *power)),
        }
    }
    powers.into()
}

fn divide(a: &Monomial, b: &Monomial) -> Option<Monomial> {
    let mut powers = a.to_vec();
    for (atom, power) in b.iter() {
        let i = powers.binary_search_by(|known| known.0.cmp(atom)).ok()?;
        powers[i].1 = powers[i].1.checked_sub(*power)?;
    }
    powers.retain(|power| power.1 > 0);
    Some(powers.into())
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Symbol(name) => f.write_str(name),
            Atom::Floor(a, b) => write!(f, "floor({}/{})", Grouped(a), Grouped(b)),
            Atom::Min(a, b) => write!(f, "min({a}, {b})"),
            Atom::Max(a, b) => write!(f, "max({a}, {b})"),
        }
    }
}

/// An operand of a division: in parentheses where it has several terms or factors.
struct Grouped<'a>(&'a Expr);

impl fmt::Display for Grouped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.step() {
            Step::Sum(_) | Step::Product(_) => write!(f, "({})", self.0),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Expr {
    /// The form that ONNX runtimes parse in `dim_param`: `2*batch + 1`, `floor((h + 1)/2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        for (i, (monomial, x)) in self.printed().enumerate() {
            match (i, x < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let size = x.unsigned_abs();
            let mut star = "";
            if size != 1 || monomial.is_empty() {
                write!(f, "{size}")?;
                star = "*";
            }
            for (atom, power) in monomial.iter() {
                for _ in 0..*power {
                    write!(f, "{star}{atom}")?;
                    star = "*";
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n() -> Expr {
        Expr::symbol("n")
    }

    fn k(x: i64) -> Expr {
        Expr::from(x)
    }

    #[test]
    fn equal_expressions_print_equally() {
        let a = n().add(&k(1)).mul(&n().add(&k(-1)));
        let b = n().mul(&n()).add(&k(-1));
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "n*n - 1");
        assert_eq!(Expr::symbol("h").add(&k(1)).floor_div(&k(2)).mul(&n()).to_string(), "n*floor((h + 1)/2)");
    }

    #[test]
    fn division_takes_out_what_divides() {
        assert_eq!(n().mul(&k(6)).floor_div(&k(3)), n().mul(&k(2)));
        assert_eq!(n().mul(&k(2)).add(&k(1)).floor_div(&k(2)), n());
        assert_eq!(n().mul(&n()).mul(&k(4)).div_exact(&n().mul(&k(2))), Some(n().mul(&k(2))));
        assert_eq!(n().mul(&n()).add(&k(-1)).div_exact(&n().add(&k(1))), Some(n().add(&k(-1))));
        assert_eq!(n().add(&k(1)).div_exact(&k(2)), None);
        assert_eq!(n().mul(&k(6)).add(&k(2)).floor_div(&k(4)).to_string(), "n + floor((n + 1)/2)");
    }

    #[test]
    fn floor_division_rounds_down_on_both_sides_of_zero() {
        for a in -7..=7 {
            for b in [-3, -2, -1, 1, 2, 3] {
                assert_eq!(k(a).floor_div(&k(b)).number(), Some((a as f64 / b as f64).floor() as i64), "{a} / {b}");
            }
        }
        assert_eq!([floor_div(i64::MIN, -1), floor_div(i64::MIN, 1), floor_div(i64::MIN, 3)], [i64::MAX, i64::MIN, -3074457345618258603]);
    }

    #[test]
    fn every_form_evaluates_to_what_it_says() {
        let e = n().add(&k(5)).floor_div(&k(3)).maximum(&n()).minimum(&k(7)).add(&n().modulo(&k(4)));
        for x in 0..20i64 {
            assert_eq!(e.eval(&|_| Some(x)), Some(((x + 5) / 3).max(x).min(7) + x % 4));
        }
    }
}
