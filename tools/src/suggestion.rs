//! "Did you mean": the known name that is nearest to an unknown one.

/// The name that differs in the fewest letters, if they are few.
pub fn nearest<'a, S: AsRef<str>>(name: &str, names: &'a [S]) -> Option<&'a str> {
    let best = names.iter().map(|other| (distance(name, other.as_ref()), other.as_ref())).min_by_key(|best| best.0)?;
    (best.0 <= 1 + name.chars().count() / 4).then_some(best.1)
}

/// The number of letters that are added, left out or replaced between two names, whatever their case.
fn distance(name: &str, other: &str) -> usize {
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in name.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.chars().enumerate() {
            let next = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[other.chars().count()]
}

/// The help line for an unknown name: the nearest known one, and all of them.
pub fn did_you_mean<S: AsRef<str>>(name: &str, names: &[S], what: &str) -> String {
    let near = nearest(name, names).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let all: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!("{near}the {what} are: {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_few_other_letters_is_suggested() {
        assert_eq!(nearest("imagee", &["mask", "image"]), Some("image"));
        assert_eq!(nearest("Image", &["mask", "image"]), Some("image"));
        assert_eq!(nearest("weights", &["mask", "image"]), None);
        assert_eq!(did_you_mean("mask2", &["mask", "image"], "inputs"), "did you mean `mask`? the inputs are: mask, image");
    }
}
