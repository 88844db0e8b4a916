"""Where catalog files enter: text to checked values, in base units, each with its source."""
