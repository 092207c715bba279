"""
Which words made the answer
===========================

`explain` shares the answer for one text out among its tokens, in one of two ways. They
answer different questions, and neither tells what is true of the world: both show what
this classifier made of this text.
"""

# %%
# Real text: film reviews where they are at hand, paragraphs of documentation otherwise.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings
from skrnn.inspection import explain

kind, X_train, X_test, y_train, y_test = load_texts(n_train=4000, n_test=500)
names = ["negative", "positive"]
if kind == "docstrings":
    names = load_docstrings().target_names
y_train, y_test = np.array(names)[y_train], np.array(names)[y_test]
classifier = RNNTextClassifier(random_state=0).fit(X_train, y_train)
accuracy = classifier.score(X_test, y_test)
print(f"{accuracy:.1%} of {len(X_test)} {kind} right that it has not learned from")

# %%
# Take a short text that it gets wrong: those teach most.

lengths = classifier.tokenizer_.transform(X_test).lengths
wrong = np.flatnonzero(classifier.predict(X_test) != y_test)
chosen = wrong[np.abs(lengths[wrong] - 30).argmin()]
text, answer = X_test[chosen], classifier.predict(X_test[chosen : chosen + 1])[0]
print(text)
print(f"\npredicted {answer}, where {y_test[chosen]} is right")

# %%
# ``"reading"``: what did each token change when it was read? The scores, and that of
# the empty text, sum to the decision score of the class. A token's score depends on
# what stands before it.

reading = explain(classifier, text, target=answer)
print(reading)

# %%
# The running prediction after each token shows where the classifier made up its mind.

figure = reading.plot().figure_
plt.show()

# %%
# ``"integrated_gradients"``: what does each token weigh, wherever it stands? The score
# of the network is followed on the way from a text of zero vectors to this one. No text
# was ever like the first, and a score does not say what another word in the token's
# place would have done.

weighing = explain(classifier, text, target=answer, method="integrated_gradients")
weighing.plot()
plt.show()

# %%
# The two agree on some tokens and not on others, since they ask different things.

agreement = np.corrcoef(reading.scores, weighing.scores)[0, 1]
print(f"correlation of the two ways' scores: {agreement:.2f}")

# %%
# In a notebook the explanation is the text itself, its tokens coloured: orange with a
# solid line raises the score, purple with a dotted line lowers it, and the pointer over
# a token shows its number.

weighing
