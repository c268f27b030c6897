"""How what lies below the effective weights is trained."""
