"""The course outline is covered: every topic's kernel is there, in its chapter, and backends agree."""

import json

import pytest

CHAPTERS = {
    "linear_algebra": (
        *("axpy", "dot", "cosine_similarity", "cross", "transpose", "matmul", "batched_matmul"),
        *("slogdet", "inv", "solve", "lstsq", "eigh", "power_iteration", "svd", "truncated_svd"),
        *("cholesky", "qr", "gram_schmidt", "pinv", "pca", "pca_eigh"),
    ),
    "calculus": (
        *("finite_difference", "gradient", "backprop", "autodiff_backprop", "jacobian", "hessian"),
        *("hessian_vector_product", "taylor", "simpson", "gauss_legendre", "cumulative_integral"),
        *("cubature", "monte_carlo_integral", "loss_landscape"),
    ),
    "probability": (
        *("conditional_probability", "bayes_posterior", "bernoulli", "binomial", "poisson", "normal"),
        *("exponential", "sample_bernoulli", "sample_binomial", "sample_poisson", "sample_normal"),
        *("sample_exponential", "markov_stationary", "markov_simulation", "entropy", "kl_divergence"),
        *("mutual_information",),
    ),
    "statistics": (
        *("moments", "median", "quantiles", "covariance", "t_test", "permutation_test", "bootstrap_ci"),
        *("beta_binomial", "bayesian_linear_regression", "metropolis", "confusion_matrix"),
        *("classification_metrics", "roc_auc"),
    ),
    "optimization": (
        *("logistic_loss", "convexity_check", "gradient_descent", "sgd", "minibatch_sgd", "momentum"),
        *("rmsprop", "adam", "ridge", "lasso", "elastic_net", "grid_search", "newton", "bfgs"),
        *("projected_gradient", "admm", "equality_qp", "svm_dual"),
    ),
    "models": (
        *("gaussian_nb", "gmm_em", "rbf_kernel", "svm_rbf", "kernel_pca", "mlp_train", "softmax"),
        *("layer_norm", "conv2d", "attention", "bitnet_linear", "autoregression", "kmeans", "knn"),
    ),
    "pipeline": (
        *("impute", "standardize", "min_max_scale", "polynomial_features", "select_k_best"),
        *("train_test_split", "pipeline", "permutation_importance", "shapley_sampling"),
    ),
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_lists_every_kernel_of_its_topics(xpbench, chapter):
    answer = xpbench("list", "kernels", "--chapter", chapter, "--json")
    assert answer.returncode == 0, answer.stderr
    assert {kernel["kernel"] for kernel in json.loads(answer.stdout)} == set(CHAPTERS[chapter])


def test_there_are_as_many_as_the_outline_counts():
    assert sum(map(len, CHAPTERS.values())) == 106


@pytest.mark.slow
@pytest.mark.parametrize("backends", ["numpy torch jax array-api-strict", "torch-compile", "jax-eager"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_verify_finds_no_disagreement_in_a_chapter(xpbench, chapter, backends):
    options = [option for name in backends.split() for option in ("--backend", name)]
    if backends == "torch-compile":
        options += ["--size", "small"]  # the medium size compiles to the same code, for minutes
    answer = xpbench("verify", "--chapter", chapter, *options, timeout=3600)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_run_of_a_chapter_measures_whatever_a_library_can_do(xpbench, tmp_path, chapter, dtype):
    run = tmp_path / "run"
    options = ["--preset", "smoke", "--size", "small", "--dtype", dtype, "--out", run]
    answer = xpbench("run", "--chapter", chapter, *options, timeout=3600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    rows = json.loads(xpbench("table", run, "--format", "json").stdout)
    assert {row["kernel"] for row in rows} == set(CHAPTERS[chapter])
    assert {row["status"] for row in rows} <= {"ok", "unsupported"}
