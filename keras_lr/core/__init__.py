"""What a schedule is made of: values only, without models, optimizers or callbacks."""
