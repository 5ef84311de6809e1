"""What clinicians add to a score: published risk models and guidelines, from what is measured and what is given."""
