"""Coded messages: what was found, what was expected, what to do about it."""

from typing import Any


class _WithCodes(type):
    """Puts the code in front of each message, with the package, as spaCy has codes like these."""

    def __getattribute__(cls, code: str) -> Any:
        message = type.__getattribute__(cls, code)
        if code.startswith("_"):
            return message
        return f"[spacy-rnn {code}] {message}"


class Errors(metaclass=_WithCodes):
    """Templates, filled by `Errors.E001.format(...)`. A code never changes its meaning."""

    E001 = (
        "width={width} is odd, and a bidirectional encoder gives half of its width to each "
        "direction. Use an even width ({lower} or {upper}), or set bidirectional = false."
    )
    E002 = "Unknown cell '{cell}'. Expected one of: {cells}."
    E003 = (
        "Layer '{name}' was built for inputs of width {expected}, but got rows of width {found}. "
        "Make the width of the layer before it equal to nI, or leave nI out to have it inferred."
    )
    E004 = (
        "Layer '{name}' does not know its {dim}. Give {dim} to the constructor, or call "
        "model.initialize(X=...) with a sample of the data."
    )
    E005 = (
        "The lengths of a Ragged must add up to its rows: got {rows} rows and lengths that sum "
        "to {total}. Build it as Ragged(concatenated_rows, lengths_of_the_sequences)."
    )
    E006 = (
        "The state does not fit layer '{name}': expected '{key}' of shape {expected}, found "
        "{found}. Pass on the state that the last run() of this model returned for the same "
        "sequences, or None to begin anew."
    )
    E007 = (
        "This model has {expected} layers with a state, but the state holds {found} entries. Pass "
        "on the state that run() returned for this model, or None to begin anew."
    )
    E008 = (
        "{what} needs {module}, which is not installed. Install it with: "
        "pip install 'spacy-rnn[{extra}]'"
    )
    E009 = "Unknown {what} '{found}'. Expected one of: {expected}."
    E010 = (
        "The callback for the gradients of '{name}' was called, but the layer was run with "
        "is_train=False, which keeps nothing to go back on. Use model.begin_update(X), or pass "
        "is_train=True."
    )
    E011 = (
        "{what} must be {expected}, but got {found}. Correct the value where it is set: in the "
        "call, the option of the command, or the config."
    )
    E012 = "Cannot convert {found}. Expected {expected}. {advice}"
    E013 = (
        "Parameter '{param}' of layer '{name}' has shape {found}, but the layer was built for "
        "{expected}. The saved model and the config disagree: load the pipeline with the config "
        "it was saved with, or train it again with the new one."
    )
    E014 = (
        "'attrs' names {attrs} features but 'rows' has {rows} entries. Give one number of rows "
        "for each attribute."
    )
    E015 = (
        "include_static_vectors = true needs word vectors, but the vocab's table is empty. Set "
        "[initialize] vectors to a pipeline or folder with vectors (see `spacy init vectors`), "
        "or set include_static_vectors = false."
    )
    E016 = (
        "The linear model's exclusive_classes is {found}, but this classifier's is {expected}. "
        "Set both to the same value."
    )
    E017 = (
        "The linear model has an output layer of its own, so its scores cannot be added to the "
        "logits. Set no_output_layer = true in its config block."
    )
    E018 = (
        "Cannot read the model data of '{name}' from {path}: {reason}. The file is damaged or "
        "was cut short. Restore it from a backup, or train the pipeline again."
    )
    E019 = (
        "The saved model of '{name}' does not fit the model that the config describes: {reason}. "
        "Load the pipeline with the config.cfg that it was saved with."
    )
    E020 = (
        "class_weights names labels that '{name}' does not have: {unknown}. Its labels are: "
        "{labels}."
    )
    E021 = (
        "Component '{name}' found no labels in the training data. Fill doc.cats of the examples "
        "(for instance {{'POSITIVE': 1.0, 'NEGATIVE': 0.0}}), or pass labels = [...] in "
        "[initialize.components.{name}]."
    )
    E022 = (
        "An exclusive text classifier needs at least two labels, but '{name}' found only "
        "{labels}. Add the other label to the cats of the data, or use rnn_textcat_multilabel "
        "for a single yes/no label."
    )
    E023 = (
        "Example {index} has no category set to 1: {cats}. In '{name}' the classes exclude each "
        "other, so each training text needs one. Use rnn_textcat_multilabel for texts with "
        "missing or no labels."
    )
    E024 = (
        "Layer '{name}' has no weights yet. Call model.initialize(X=...) with a sample of the "
        "data, or load them with from_disk or from_bytes."
    )
    E025 = (
        "Layer '{name}' has no recurrent weights, so {what} = {rate} would drop nothing; it must "
        "be 0. Use dropout, which falls on the output of any layer, or one of the cells elman, "
        "lstm and gru."
    )
    E026 = (
        "The environment variable {name} must be a positive number of threads, but it is "
        "{found}. Set it to a number, such as {name}=1, or unset it."
    )
    E027 = (
        "Parameter '{param}' of layer '{name}' has the shape {found}, but expected {expected}. Set "
        "it to an array of that shape, or build the layer with the sizes of its weights."
    )
    E028 = (
        "The gradient of {what} that was given to the callback of '{name}' has the shape {found}, "
        "but expected {expected}: that of {what} itself."
    )
    E030 = (
        "Cannot read texts from {path}: found {found}. Expected a file, a folder or a list of "
        "them. Correct the path (of `spacy train`: in [paths], or with --paths.train FILE)."
    )
    E031 = (
        "Cannot read texts from {path}: found {found}. Expected files whose names end in {kinds}, "
        "or in that and .gz or .bz2. Rename or convert the file."
    )
    E032 = (
        "Line {line} of {path} is not valid UTF-8 (byte {byte}). Save the file as UTF-8, for "
        "instance with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
    )
    E033 = (
        "Invalid JSON at {where}: {reason}. Expected one object a line, such as "
        '{{"text": "So good!"}}.'
    )
    E034 = (
        "No text at {where}: found {found}, expected an object with a string at '{key}'. If the "
        "text stands at another key, set {setting} to it."
    )
    E035 = (
        "No label at {where}: found {found}, expected at '{key}' a string, or an object of labels "
        "with numbers, or null. Correct the line, or set label_key to another key, or to null."
    )
    E036 = (
        "{path} is damaged or was cut short: {reason}. Restore it from where it came from, or "
        "make it again."
    )
    E037 = (
        "Found no text in {path}. Expected at least one document that is not blank{long_enough}. "
        "{advice}"
    )
    E040 = (
        "The setting {what} of the optimizer {name} must be {expected}, but got {found}. Correct "
        "it in [training.optimizer], or in the call."
    )
    E041 = (
        "The optimizer's groups {patterns} match no parameter. Patterns are compared with the "
        "names of layers, and with these names of parameters: {paths}. Correct the patterns, or "
        "leave them out."
    )
    E042 = (
        "The file of figures {path} can't be written: {reason}. Set output_file in "
        "[training.logger] to a file in a folder that you may write to, or leave it out."
    )
    E050 = (
        "Doc {i}, which begins with {text}, has no surprisals to draw, or was cut into other "
        "tokens since they were written. Run a pipeline with an rnn_lm over the text: doc = "
        "nlp(text)"
    )
    E051 = (
        "The alternatives in doc.user_data['{key}'] of doc {i} cannot be drawn: {found}. Expected, "
        "for each token, a list of pairs of a text and its bits, as lm.alternatives(doc) returns "
        "it."
    )
    E052 = (
        "Cannot draw an object of type {found}. Expected a Doc, or several: "
        "surprisal(nlp(text)), surprisal([doc, another])."
    )
    E053 = (
        "Showing a picture in a notebook needs IPython, which is not installed. Install it with: "
        "pip install ipython. Or pass jupyter=False, to get the HTML as a string."
    )
    E054 = (
        "Cannot load the pipeline {name}: {reason}. Expected the folder of a trained pipeline, "
        "such as training/model-best, or the name of an installed one."
    )
    E055 = (
        "The pipeline {name} has no {what}. Its components are: {components}. Expected one that "
        "was made by the factory {factories}; train one with {config}."
    )
    E056 = (
        "The pipeline {name} has {found} components that are a {what}, so it must be said which "
        "one is meant. Add --component NAME, with one of: {components}."
    )
    E057 = "The pipeline {name} has no {what} named '{found}'. Its own: {components}."
    E058 = "{option} and {other} exclude each other: {reason}. Leave one of them out."
    E059 = "The file {path} cannot be {verb}: {reason}. {advice}"
    E060 = (
        "Cannot read the vocabulary of a component: {reason}. Expected what `spacy init "
        "labels` writes. Make the file anew, or leave the labels out to have the vocabulary "
        "learned."
    )
    E061 = (
        "The vocabulary has the unit {unit!r} twice, so its number would not be known. Leave one "
        "of them out."
    )
    E062 = "The vocabulary of a model of characters has {unit}, which is not one character."
    E063 = (
        "A doc has no surprisals to score, or was cut into other tokens since they were written. "
        "Run the whole pipeline over the text, as nlp.evaluate does, and change tokens before "
        "rnn_lm."
    )
    E064 = (
        "Cannot add units to a vocabulary of {n_old} to make it {n_new}: one of the cutoffs "
        "{cutoffs} of the adaptive softmax is between the two, and its cluster would have no "
        "weights. Add fewer units, or train the model with other cutoffs."
    )
    E065 = (
        "The vocabulary that was given to '{name}' is one of the unit '{found}', but the model's "
        "is '{expected}'. Set unit in the [model] block to it, or give the other vocabulary."
    )
    E066 = (
        "'{name}' found no text to learn a vocabulary from: the training data has no units that "
        "are frequent enough. Check the path of the corpus, or lower min_freq in "
        "[initialize.components.{name}]."
    )
    E067 = (
        "'{name}' has no tokenizer to make docs with. Use it as a component of a pipeline: "
        "nlp.add_pipe(...), or spacy.load(...)."
    )
    E068 = (
        "The labels {unknown} are not among those that the language model was trained with: "
        "{labels}."
    )
    E069 = (
        "'{name}' depends on a vector, but the first training doc has none. Set [initialize] "
        "vectors to word vectors, or put an array into doc.user_data['{key}'] of each training doc."
    )
    E070 = (
        "'{name}' is a model of subwords, which knows every text already, so no units can be "
        "added. Train it again to have other ones."
    )
    E071 = (
        'A language model with condition = "vector" cannot be trained on windows of streams, '
        "which do "
        "not keep the vectors of their documents. Use a batcher of whole documents, such as "
        "spacy.batch_by_sequence.v1."
    )
    E072 = (
        "'{given}' was given, but the condition of this language model is: {condition}. Leave it "
        'out, or train a model with condition = "{given}".'
    )
    E073 = (
        "The component '{name}' has no weights yet. Call nlp.initialize(get_examples) with a "
        "sample of the training texts, or load a trained pipeline."
    )
    E080 = (
        "Cannot explain '{name}' by integrated gradients: they need a tok2vec that first embeds "
        "each token and then encodes them, as spacy.Tok2Vec.v2 does, or a "
        "spacy-rnn.LanguageModelTok2Vec.v1, but found {found}. A listener "
        "becomes one by nlp.replace_listeners('tok2vec', '{name}', ['model.tok2vec'])."
    )
    E081 = (
        "Cannot explain '{name}': found {found}. Expected the architecture spacy-rnn.TextCatRNN.v1 "
        "or an ensemble of it, and, as its linear_model, none, a spacy-rnn.NgramLinear.v1 or a "
        "spacy.TextCatBOW.v3. Train the component with those."
    )
    E082 = "'{name}' has no label '{found}' to explain. Its labels: {labels}."
    E083 = (
        "'{name}' has no attention to show: it pools by {pooling}. Use method = "
        "'integrated_gradients', or train it with \"attention\" in pooling."
    )
    E084 = (
        "Cannot draw an object of type {found} as an explanation. Expected what "
        "textcat.explain(doc) returns, or several of those."
    )
    E090 = (
        "LanguageModelTok2Vec was given no language model. Set its block 'forward' or 'backward', "
        "or both, to the [components.rnn_lm.model] of the config by which the model was trained."
    )
    E091 = (
        "'{name}' of LanguageModelTok2Vec is a model '{found}'. Expected "
        '@architectures = "spacy-rnn.LanguageModel.v1".'
    )
    E092 = (
        "'{name}' of LanguageModelTok2Vec is a language model that reads in the other direction. "
        "Set backward = {value} in its block, and load a model that was trained with it."
    )
    E093 = (
        "'{name}' of LanguageModelTok2Vec begins from the {condition} of the doc, which a "
        "classifier or tagger is not told. Use a language model with condition = null."
    )
    E094 = (
        "Cannot begin component '{component}' from the language model {path}: they differ. "
        "{differences} Make the config as that of the language model, or train another one."
    )
    E095 = (
        "The pipeline has no component '{component}' to begin from a language model. Its "
        "components: {components}."
    )
    E096 = (
        "Component '{component}' has no layers of a language model, so there is nothing to load "
        "{path} into. Expected an rnn_lm, or a model with spacy-rnn.LanguageModelTok2Vec.v1 of its "
        "own: if it listens to a shared tok2vec, name the component of that."
    )
    E097 = (
        "Component '{component}' reads {expected}, so it cannot begin from {found}. Give exactly "
        "the language models that its config has."
    )
    E098 = "Cannot load a language model from {path}: {reason} {advice}"
    E099 = (
        "init_from_lm was called before component '{component}' had weights. Put it into "
        "[initialize.after_init]; in Python, call it after nlp.initialize()."
    )
    E100 = (
        "The tok2vec sees what it is to predict: when token {replaced} of a text was replaced, the "
        "{part}vector of token {changed} changed. Expected vectors that depend on no token after "
        "their own, or, with two directions, a first half of the columns that does not, and a "
        "second half that depends on no token before. Set bidirectional = false in the encoder, or "
        "depth = 1 and layer_norm = false, and no convolution that looks ahead. Or pretrain it by "
        "spacy.PretrainCharacters.v1, which hides tokens from any encoder."
    )
    E101 = (
        "Cannot pretrain this layer: found {found}. Expected a tok2vec, with a vector for each "
        "token that depends on it. Set component and layer in [pretraining] to one, such as "
        'component = "textcat" and layer = "tok2vec".'
    )
    E110 = (
        "The temperature of '{name}' must be a number above 0, but its cfg has {found}. Set "
        'cfg["temperature"] to 1.0, or find one with: python -m spacy rnn calibrate'
    )
    E111 = (
        "Cannot read texts with labels from {path}: found {found}. Expected a .spacy file, or a "
        "folder of them, as for `spacy evaluate`."
    )
    E112 = (
        "Found no text in {path} that has a label of '{name}' in its cats. Its labels: {labels}. "
        "Found in the cats: {found}. Give the component's own development data."
    )
    E113 = (
        "Found {found} texts with labels, too few to be parted into {n_folds} folds. Give more "
        "texts (some hundreds tell something), or fewer folds."
    )
    E114 = (
        "Text {index} has cats that do not fit '{name}': {cats}. Expected {expected}. Correct the "
        "data."
    )
    E115 = (
        "'{name}' was made by the factory {factory}, which cannot keep a temperature, so its "
        "calibration can only be measured. Leave --output out; or train it with factory = "
        '"{ours}", which takes the same [model].'
    )
    E116 = "The pipeline cannot be written to {path}: {reason}. {advice}"
    E117 = (
        "The best temperature is beyond {limit}, as far as the texts tell, so none was found that "
        "could be kept: {reason}. Give other texts, which it was not trained on, or more of them."
    )
    E120 = (
        "The pipeline {name} has no recurrent layers of this package to ask for gradients. Its "
        "components are: {components}. Expected an rnn_lm, an rnn_textcat, or a component over "
        "spacy-rnn.RNNEncoder.v1; train one with configs/textcat_lstm.cfg."
    )
    E121 = (
        "The component '{found}' of the pipeline {name} has no recurrent layers of its own"
        "{reason}. Those that have some: {components}. Add --component NAME, with one of these."
    )
    E122 = (
        "There is no gradient over a distance: the longest of {n_docs} documents has {found} steps "
        "of reading, and expected are at least 2. Give longer texts."
    )
    E123 = (
        "The gradient of the layer '{name}' is not finite: its weights, or what it has read, are "
        "so large that they cannot be computed with, or hold no numbers. Load a model from before "
        "that, and clip the gradient in training (clip_norm of spacy-rnn.Adam.v1)."
    )
    E124 = (
        "No recurrent layer of the component '{name}' has read anything of the documents, so there "
        "is no gradient to follow. Expected a model that reads whole docs, alone or by its "
        "tok2vec."
    )
    E130 = (
        "Cannot thaw the layers of '{component}' one after another: the pipeline has no component "
        "of this name that has a model. Components with one: {components}. Set component in "
        "[training.before_update]."
    )
    E131 = (
        "The groups of layers of '{component}' have patterns that match none of them: {patterns}. "
        "Its layers with weights: {names}. Correct the patterns in [training.before_update]."
    )
    E132 = (
        "'{component}' listens to a shared tok2vec, so the layers to thaw are in another "
        "component: {tok2vecs}. Set component to its name in [training.before_update]."
    )
    E133 = (
        "The groups of layers to thaw are not as expected: found {found}. Expected a list with a "
        'list of patterns for each group, such as [["*"], ["*.lstm.2"], ["*.lstm.1"]], of which '
        "only the first may be empty; or null to have them found."
    )
    E134 = (
        "Found no layers in '{component}' to thaw one after another: it has no tok2vec, or one "
        "without recurrent layers. Set groups in [training.before_update] to lists of patterns. "
        "Its layers with weights: {names}."
    )
    E140 = (
        "attr = '{attr}' chooses which string of a token is the unit, but the units of this model "
        "are of the kind '{unit}'. Set unit = \"word\", or leave attr out."
    )
    E141 = (
        "The vocabulary that was given to '{name}' has words by their attribute {found}, but the "
        "model's words are by {expected}. Set attr in the [model] block to it, or make the "
        "vocabulary anew by `spacy init labels`."
    )
    E142 = (
        "'{name}' is a backward language model: it reads each text from its end and tells what may "
        "stand before, so it cannot go on with a text. Train a model with backward = false to "
        "write with; surprisals and `alternatives` work with both."
    )
    E143 = (
        "The language model reads {model}, but the windows that it is to learn from were cut by a "
        "batcher that reads {batcher}. Set backward = {value} in [training.batcher], or use a "
        "batcher of whole documents, such as spacy.batch_by_sequence.v1."
    )
    E150 = (
        "A vector has no units that could be copied. Set copy = false, or another source than "
        '"vector".'
    )
    E151 = (
        "{where}: expected a list of finite numbers under '{key}', a vector, but found {found}. "
        "Correct the line, or set vector_key to the key that the vectors have."
    )
    E152 = (
        "'{name}' found no pair to learn its units from: no example has both a source, which is "
        "read from '{source}', and a target. Targets stand in reference._.seq2seq; the reader "
        "spacy-rnn.PairCorpus.v1 puts them there. An attribute that is read may be set in the "
        "reference too."
    )
    E153 = (
        "'{name}' writes by vectors, but no example has one. Give them under vector_key of "
        "spacy-rnn.PairCorpus.v1, or in doc.user_data['spacy_rnn.vector'], or load vectors into "
        "the pipeline by [initialize] vectors."
    )
    E154 = (
        "'{name}' reads the text in doc._.{attribute}, but found {found} there. Register it by "
        "Doc.set_extension('{attribute}', default=None), and let a component before '{name}' set "
        "it to a text; or set source to another attribute."
    )
    E160 = (
        "Cannot read {name} as sequences: {where} is {found}. Expected a list of arrays "
        "(n_steps, nI), all of the same width, or one array (n_seqs, n_steps, nI), or a Ragged. "
        "{advice}"
    )
    E161 = (
        "There is nothing to learn from: {name} has {found}. Expected at least one sequence with "
        "at least one step."
    )
    E162 = (
        "{name} has numbers that are not finite: sequence {i} has {found} at step {step}, column "
        "{column}. Expected numbers. Fill gaps in, or leave out their steps, before training."
    )
    E163 = (
        "{x} and {y} do not belong together: {x} has {n_x}, {y} has {n_y}. Expected as many "
        "answers as sequences, in the same order."
    )
    E164 = (
        "Sequence {i} of {x} has {n_steps} steps, but its answers in {y} are {found}. Expected "
        "one for each step. If there is one for each sequence, give {y} as one array, (n_seqs,) or "
        "(n_seqs, width)."
    )
    E165 = "The loss '{loss}' cannot be computed with {name}: found {found}. Expected {expected}."
    E166 = "The model gives {found}, but expected were {expected}. {advice}"
    E167 = (
        "The training has broken down: no step of epoch {epoch} had a gradient of finite numbers "
        "(the loss was {loss}). Lower the learn rate, here {rate}, or scale the inputs, whose "
        "largest number is {largest:.3g}."
    )
    E168 = (
        "The encoder '{name}' reads in both directions, so each step has seen the values that it "
        "is to forecast. Use one with bidirectional = false."
    )
    E169 = (
        "The model begins with the layer '{name}', which takes a Ragged, but {x} is a list. Wrap "
        "the model: with_ragged(model), if there is an output for each step; or begin it with "
        "list2ragged(). Both are in spacy_rnn.layers."
    )
    E170 = (
        "A gradient of '{param}' has the shape {found}, the weights {expected}: they were replaced "
        "after the gradient had been taken. Initialize or load by the component, which begins anew "
        "with gradients too, or call renew_gradients of spacy_rnn.layers.gradients."
    )
    E171 = (
        "'{name}' found pairs, but no unit in them occurs as often as {setting} = {min_freq} asks. "
        "Lower {setting} in [initialize.components.{name}], or give more data."
    )
    E172 = "'{name}' expected {expected}, but {where} has {found}. {advice}"
    E173 = (
        "'{name}' was given raw_texts, but nothing in its model learns from texts without labels. "
        "Add a spacy-rnn.LatentNgrams.v1 as the 'latent' of its linear_model, or leave raw_texts "
        "out of [initialize.components.{name}]."
    )
    E174 = (
        "'{name}' is to learn from embedded tokens that are moved (adversarial_norm), but there "
        "are none of its own to move: found '{found}'. Expected a spacy-rnn.TextCatRNN.v1 over a "
        "spacy.Tok2Vec.v2 without a listener, or over language models with frozen = false. Give it "
        "such a tok2vec, or set adversarial_norm = 0.0."
    )
    E175 = (
        "Embedded tokens can't be moved (adversarial_norm): {names} ran otherwise the second time "
        "with the same texts: found {found}. Expected as many runs and rows both times. Use an "
        "embedding that does, or set adversarial_norm = 0.0."
    )
    E176 = (
        "Nothing in the model can learn: all its layers are frozen. Expected one that can. Thaw a "
        "layer (spacy_rnn.layers.freezing.thaw), or use predict(model, X)."
    )
    E177 = (
        "'{name}' gives a score or a probability that is no number to the text that begins with "
        "{text!r}: its weights are broken. Load a pipeline from before that, and train it with a "
        "lower learn rate."
    )
    E178 = (
        "The members of a {ensemble} must be models by {member} that {task}, but {reason}. Give at "
        "least one, and let them agree in that."
    )
    E179 = (
        "The models of {first} and {other} cannot be joined: they differ in {what}. Train both on "
        "the same data, or give the second the labels of the first, which are its vocabularies if "
        "it writes: 'spacy init labels' writes them, and [initialize.components] reads them."
    )
    E180 = (
        "Cannot compute on GPU {found}: {reason}. Leave out --gpu-id to compute on the CPU, or "
        "install CuPy and a driver, as for spaCy: https://spacy.io/usage#gpu"
    )
    E181 = (
        "The model '{name}' takes sources and their targets, but was called with one {found}. To "
        "write texts, call the component; 'spacy debug model' cannot show such a model."
    )
    E182 = (
        "The state of '{name}' can't be carried on: a LanguageModelTok2Vec reads whole texts, each "
        "from its beginning. Call the model with whole docs instead, model.predict(docs), or run "
        "the language model's own component."
    )
    E183 = (
        "'{name}' of {where} listens to a shared tok2vec, which an ensemble can't have several of. "
        "Give it one of its own, nlp.replace_listeners('{tok2vec}', '{name}', ['model.tok2vec']), "
        "save the pipeline, and join that."
    )


def not_writable(
    path: Any, reason: str, advice: str = "Name a file in a folder that you may write to."
) -> ValueError:
    """RETURNS (ValueError): E059, for a file that cannot be written."""
    return ValueError(Errors.E059.format(path=path, verb="written", reason=reason, advice=advice))


def number_error(what: str, expected: str, found: Any) -> ValueError:
    """RETURNS (ValueError): The error for an argument outside its range."""
    return ValueError(Errors.E011.format(what=what, expected=expected, found=repr(found)))


class Warnings(metaclass=_WithCodes):
    """Templates of warnings, likewise."""

    W001 = (
        "numba is installed but can't be used, so the recurrent layers run on NumPy alone, which "
        "gives the same results more slowly: {error}. Install versions that fit together: "
        "pip install -U 'spacy-rnn[fast]'."
    )
    W030 = (
        "The documents have {what}, but windows of streams keep only their words, spaces and "
        "categories: components other than a language model learn nothing from them. Train those "
        "with one of spaCy's batchers."
    )
    W040 = (
        "The optimizer's groups do not reach the parameters of a component that steps one "
        "parameter at a time, as spaCy's own components do: those learn at the full learn rate. "
        "Leave the groups out, or list the component in [training] frozen_components."
    )
    W060 = (
        "There is an extension {kind}._.{name} already, which is not this package's, so it will "
        "not show what the language model writes. Remove it, or read doc.user_data instead."
    )
    W061 = (
        "With max_epochs = -1 '{name}' learns its vocabulary from the first 100 documents alone, "
        "and takes all other units for unknown. Make it from the whole corpus by `spacy init "
        "labels` with --training.max_epochs 1, and set labels in [initialize.components.{name}]."
    )
    W090 = (
        "A LanguageModelTok2Vec is trained that has not begun from any language model: from random "
        "weights, with the {n_units} units of the documents it was initialized with. To load "
        'one: [initialize.after_init] @callbacks = "spacy-rnn.init_from_lm.v1".'
    )
    W110 = (
        "The best temperature is beyond {limit}, as far as the texts tell: {reason}. Measure on "
        "other texts, which it was not trained on, or on more of them."
    )
    W111 = (
        "No text has the labels {labels}, so the figures say nothing about them, and a temperature "
        "is not fitted to them."
    )
    W130 = (
        "No group names these layers of '{component}', so they stay frozen to the end: {layers}. "
        "Add a group with their names to [training.before_update], unless that is meant."
    )
    W171 = (
        "Of {n_texts} texts, none has an n-gram that is in {min_texts} texts or more, and in no "
        "more than a share of {max_share} of them, so the spacy-rnn.LatentNgrams.v1 says nothing. "
        "Give more raw_texts, at least min_texts / max_share of them; or lower min_texts, or raise "
        "max_share."
    )
