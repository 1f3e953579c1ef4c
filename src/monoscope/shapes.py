"""The axes of every tensor in monoscope, named once.

======================  ==========================================================================
``batch``               independent things handled together: prompts, rows of tokens, activations
``token``               positions in a row of tokens
``d_model``             width of the site that is read or edited
``n_features``          directions in a dictionary (elsewhere: d_sae, dict_size, n_latents)
``k``                   active features kept for one activation
``vocabulary``          entries of the tokenizer
``site``                places in the model that are read together
======================  ==========================================================================

``x`` is an activation, ``pre`` a pre-activation, ``codes`` the feature activations, ``x_hat`` the
reconstruction, ``directions`` the decoder's rows ``[n_features, d_model]``. Signatures write shapes with
jaxtyping, for instance ``Float[Tensor, "*batch d_model"]``; they are checked in the tests and cost nothing
elsewhere.
"""

AXES: dict[str, str] = {
    "batch": "independent things handled together: prompts, rows of tokens, activations",
    "token": "positions in a row of tokens",
    "d_model": "width of the site that is read or edited",
    "n_features": "directions in a dictionary",
    "k": "active features kept for one activation",
    "vocabulary": "entries of the tokenizer",
    "site": "places in the model that are read together",
}
"""Axis name -> what it counts."""
