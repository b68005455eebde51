"""From text to tokens: normalisation, stop words, the user dictionary and the tokenizer."""

from recnews.text.dictionary import DictionaryWord, UserDictionary, parse_word
from recnews.text.tokenizer import Tokenizer

__all__ = ["DictionaryWord", "Tokenizer", "UserDictionary", "parse_word"]
