"""An alarm clock for airswasm components. `block` says what it brings."""
