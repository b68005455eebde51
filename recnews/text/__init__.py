"""From text to tokens: normalisation, stop words, the user dictionary and the tokenizer."""

from recnews.text.cuts import Cuts, Parcel
from recnews.text.dictionary import DictionaryWord, UserDictionary, parse_word
from recnews.text.tokenizer import Tokenizer

__all__ = ["Cuts", "DictionaryWord", "Parcel", "Tokenizer", "UserDictionary", "parse_word"]
