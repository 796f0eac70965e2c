"""Reviews of a few drawn documents, served by a thread."""

import http.client
import json
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_status
from spacy_llmjudge.review.answers import Answers
from spacy_llmjudge.review.server import bind, make_server
from spacy_llmjudge.review.session import Session
from spacy_llmjudge.review.tasks import (
    Draw,
    make_audit,
    make_certify,
    make_disagreements,
    make_gold,
)
from spacy_llmjudge.targets.ents import Ents

VOCAB = Vocab()
LABELS = ["PEST", "PLANT"]


def make_docs(n=8, labels=LABELS, word="Slugs"):
    """Documents of five words with two entities each."""
    docs = []
    for i in range(n):
        doc = Doc(VOCAB, words=[word, "ate", "hostas", "number", str(i)])
        doc.ents = [
            Span(doc, 0, 1, label=labels[i % len(labels)]),
            Span(doc, 2, 3, label=labels[-1]),
        ]
        docs.append(doc)
    return docs


def make_session(folder, docs=None, *, planned=5, labels=LABELS, saved=None, people=1, **settings):
    """A session that certifies documents with entities."""
    saved = [] if saved is None else saved
    task = make_certify(
        make_docs() if docs is None else docs,
        Ents(),
        labels,
        Draw("frame", 0, planned),
        lambda task, given: saved.append({id_: dict(said) for id_, said in given.items()}),
        probability=settings.pop("probability", lambda doc, key: 0.5),
        **settings,
    )
    return _open(task, folder, people)


def make_gold_session(folder, docs=None, labels=LABELS):
    """A session that corrects documents, and the list that it saves the gold to."""
    saved = []

    def save(labelled):
        saved[:] = [(doc.text, spans) for doc, spans in labelled]

    docs = make_docs(3) if docs is None else docs
    task = make_gold(docs, Ents(), labels, Draw("frame", 0, len(docs)), save)
    return _open(task, folder), saved


def make_audit_session(folder, docs=None, labels=LABELS):
    """A session that audits one span of each document."""
    rows = [
        {
            "id": str(i),
            "text": doc.text,
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "answer": "",
        }
        for i, doc in enumerate(make_docs(labels=labels) if docs is None else docs)
        for ent in doc.ents[:1]
    ]
    return _open(make_audit(rows, lambda answered: None), folder)


def make_disagreements_session(folder, docs=None, labels=LABELS):
    """A session about the first span of each document, which the judge says is wrong."""
    docs = make_docs(labels=labels) if docs is None else docs
    for doc in docs:
        first = doc.ents[0]
        rejected = Candidate(
            first.start, first.end, first.label_, 0.9, 0.9, "wrong_label", 0.1, source="student"
        )
        set_candidates(doc, [rejected])
        set_status(doc, state="judged")
    task = make_disagreements(docs, Ents(), labels, Draw("frame", 0, len(docs)), lambda gold: None)
    return _open(task, folder)


def _open(task, folder, people=1):
    facts = {"task": task.name, "frame": task.frame, "planned": task.planned}
    return Session(task, Answers(folder / f"{task.name}.jsonl", facts), people)


def answer_next(session, by="ann", right=True, more=False):
    """Answer what a person is asked next; returns the state after it."""
    item = session.state(by, more)["item"]
    spans = [list(one) for one in item["spans"]] if right else []
    return session.act("answer", {"by": by, "more": more, "item": item["id"], "spans": spans})


@contextmanager
def serving(session):
    """The address of a session that a thread serves."""
    with bind(0) as place:
        server, address = make_server(session, place)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


def request(address, path="", data=None, **headers):
    """Status, headers and body of a request; `Host` may be another one."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    method = "GET" if data is None else "POST"
    connection.request(method, parts.path + path, body=body, headers=given)
    response = connection.getresponse()
    found = (response.status, dict(response.getheaders()), response.read().decode("utf8"))
    connection.close()
    return found
