//! Expressions over sizes as text: what `Display` prints, and what other exporters write beside it.

use super::Expr;

/// How deeply parentheses may nest.
const DEEPEST: usize = 40;
/// The longest text that is read.
const LONGEST: usize = 2000;

/// Whether a text is a name that a size can have: a letter or _, then letters, digits and _.
pub(crate) fn is_symbol(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Expr {
    /// The expression of a text such as `2*batch + 1`, `floor((h + 1)/2)`, `min(n, 7)`; `None` where it is none.
    ///
    /// ```
    /// use ontrace::dim::Expr;
    /// let half = Expr::parse("floor((h + 1)/2)").unwrap();
    /// assert_eq!(half.eval(&|_| Some(6)), Some(3));
    /// assert!(Expr::parse("batch size").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Expr> {
        if text.len() > LONGEST {
            return None;
        }
        let mut reader = ExprParser { rest: text };
        let expr = reader.sum(0)?;
        reader.rest.trim().is_empty().then_some(expr)
    }
}

struct ExprParser<'a> {
    rest: &'a str,
}

impl ExprParser<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> String {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_string()
    }

    fn sum(&mut self, depth: usize) -> Option<Expr> {
        let mut sum = if self.take("-") { self.product(depth)?.neg() } else { self.product(depth)? };
        loop {
            if self.take("+") {
                sum = sum.add(&self.product(depth)?);
            } else if self.take("-") {
                sum = sum.add(&self.product(depth)?.neg());
            } else {
                return Some(sum);
            }
        }
    }

    fn product(&mut self, depth: usize) -> Option<Expr> {
        let mut product = self.atom(depth)?;
        loop {
            if self.take("*") {
                product = product.mul(&self.atom(depth)?);
            } else if self.take("//") || self.take("/") {
                product = product.floor_div(&self.atom(depth)?);
            } else {
                return Some(product);
            }
        }
    }

    fn atom(&mut self, depth: usize) -> Option<Expr> {
        if depth > DEEPEST {
            return None;
        }
        if self.take("(") {
            let inner = self.sum(depth + 1)?;
            return self.take(")").then_some(inner);
        }
        let digits = self.word(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            return digits.parse::<i64>().ok().map(Expr::from);
        }
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() {
            return None;
        }
        if !self.take("(") {
            return Some(Expr::symbol(&name));
        }
        let first = self.sum(depth + 1)?;
        let read = match name.to_ascii_lowercase().as_str() {
            "floor" => first,
            "min" if self.take(",") => first.minimum(&self.sum(depth + 1)?),
            "max" if self.take(",") => first.maximum(&self.sum(depth + 1)?),
            _ => return None,
        };
        self.take(")").then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let (n, h) = (Expr::symbol("n"), Expr::symbol("h"));
        let forms = [
            n.mul(&h).add(&Expr::from(-3)),
            n.neg().add(&h.mul(&h).mul(&Expr::from(2))),
            h.add(&Expr::from(5)).floor_div(&Expr::from(3)).maximum(&n).minimum(&Expr::from(7)),
            n.mul(&h).floor_div(&n.add(&Expr::from(1))),
        ];
        for form in forms {
            assert_eq!(Expr::parse(&form.to_string()), Some(form.clone()), "{form}");
        }
    }

    #[test]
    fn nothing_else_is_an_expression() {
        for text in ["", "batch size", "n +", "2n", "(n", "ceil(n)", "n)", &"(".repeat(100)] {
            assert_eq!(Expr::parse(text), None, "{text}");
        }
    }
}
