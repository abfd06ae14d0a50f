"""Ways of others to feed clips to a trainer, each as its documentation recommends: one file per peer."""
