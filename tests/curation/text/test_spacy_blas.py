import numpy as np
import pytest
from thinc.api import NumpyOps

from egocurate.curation.text.spacy_blas import NumpyBlasOps


@pytest.mark.parametrize(("trans1", "trans2"), [(False, False), (False, True), (True, False), (True, True)])
def test_products_are_those_of_thinc(trans1, trans2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, 5) if trans1 else (5, 7)).astype("f")
    y = rng.standard_normal((3, 7) if trans2 else (7, 3)).astype("f")
    expected = NumpyOps().gemm(x, y, trans1=trans1, trans2=trans2)
    assert np.allclose(NumpyBlasOps().gemm(x, y, trans1=trans1, trans2=trans2), expected, atol=1e-5)
    out = np.empty((5, 3), dtype="f")
    assert NumpyBlasOps().gemm(x, y, out=out, trans1=trans1, trans2=trans2) is out
    assert np.allclose(out, expected, atol=1e-5)
