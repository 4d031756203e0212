"""Problems, one module per family."""
