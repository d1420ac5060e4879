"""Writes N random preference pairs as token ids, prompts of 8 to 40 tokens, completions of 16 to 64: python makePairs.py N FILE"""
import json, random, sys

random.seed(0)
ids = lambda low, high: [random.randrange(3, 100000) for _ in range(random.randint(low, high))]
json.dump([[ids(8, 40), ids(16, 64), ids(16, 64)] for _ in range(int(sys.argv[1]))], open(sys.argv[2], "w"))
