"""Where readings of a battery come from: one interface, a class per source."""
