"""What transformers renders with chat templates of the usual kinds, and the token ids that TRL's DPOTrainer makes of conversations with them.

    pip install trl==1.16.0 transformers==5.23.0
    python3 test/goldens/chatTemplates.py

Writes test/goldens/chatTemplates.json: {tokenizer.json of one tiny byte-pair tokenizer, whose own template adds <bos>; templates: {name: {tokenizer_config,
template, rendered: [{messages, generationPrompt, variables, text or error}], pairs: [{the line, prompt_ids, chosen_ids, rejected_ids}]}}}, and test/goldens/parquet/conversations.parquet,
the lines as Parquet. The templates are written for this test after the published ones.
"""
import copy, json, os, pathlib

os.environ["HF_HUB_OFFLINE"] = "1"
import jinja2
import pyarrow as pa, pyarrow.parquet as pq
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers, processors
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

SPECIAL = ["<bos>", "<eos>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]"]
TEXT = ["user system assistant model", "the cat sat on the mat. the hat is nice", "a bad cat is at the boundary of the words", "<think>\n\n</think>\n\n", "You are a helpful assistant"]

TEMPLATES = {
    # Qwen's and SmolLM2's kind: a system message put in where there is none
    "chatml": """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    # Qwen 3's kind: the generation prompt is no prefix of the whole
    "thinking": """{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.last < 0 and message.role == "user" %}{% set ns.last = index %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' }}
    {%- if message.role == "assistant" and message.reasoning_content is defined and loop.index0 > ns.last %}
        {{- '<think>\n' + message.reasoning_content.strip('\n') + '\n</think>\n\n' }}
    {%- endif %}
    {%- if message.content is string %}{{- message.content.split('</think>')[-1].lstrip('\n') }}{% endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
""",
    "llama3": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = strftime_now("%d %b %Y") %}
{%- endif %}
{#- a comment, in lines of its own #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
""",
    "gemma": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    # blocks on lines of their own, without dashes: trim_blocks and lstrip_blocks; and a generation block
    "lines": """{% for message in messages %}
  {% if message.role == 'assistant' %}
    {% generation %}
{{ message.content }}{{ eos_token }}
    {% endgeneration %}
  {% else %}
{{ message.role | upper }}: {{ message.content }} {{ unknown_variable }}
  {% endif %}
{% endfor %}
{% if add_generation_prompt %}
ASSISTANT:
{% endif %}
""",
}

user = lambda content: {"role": "user", "content": content}
assistant = lambda content, **more: {"role": "assistant", "content": content, **more}
system = lambda content: {"role": "system", "content": content}
DATE = {"date_string": "26 Jul 2024"}
CONVERSATIONS = [
    ([user("the cat sat")], {}),
    ([user("  the cat\n"), assistant(" sat on <the> \"mat\" 🙂\n")], {}),
    ([system("a helpful hat"), user("the cat"), assistant("is nice"), user("a bad cat")], {}),
    ([user([{"type": "text", "text": " the hat "}]), assistant("the mat")], {}),
    ([assistant("the mat"), user("the cat")], {}),
    ([user("the cat"), assistant(None, thinking="is it?\n"), user("and"), assistant("yes", reasoning="no")], {}),
    ([user("the cat"), assistant("yes")], {"enable_thinking": False}),
]
PAIRS = [
    dict(prompt=[user("the cat sat")], chosen=[assistant("on the mat.")], rejected=[assistant("on the hat!")]),
    dict(prompt=[system("a helpful hat"), user("the cat"), assistant("is nice"), user("a bad cat")], chosen=[assistant("the mat")], rejected=[assistant("the map")]),
    dict(prompt=[user("the cat")], chosen=[assistant("is"), user("what"), assistant("it is")], rejected=[assistant("is not")]),
    dict(prompt=[user("<|im_end|> <eos> 東京")], chosen=[assistant(" the")], rejected=[assistant("the \n hat")]),
]
IMPLICIT = [{"chosen": pair["prompt"] + pair["chosen"], "rejected": pair["prompt"] + pair["rejected"]} for pair in PAIRS]


def tokenizer():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(TEXT * 8, trainers.BpeTrainer(vocab_size=360, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", backend.token_to_id("<bos>"))])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>", pad_token="<eos>")


def trl_rows(processing_class, rows):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(processing_class), n_positions=256, n_embd=8, n_layer=1, n_head=1))
    config = DPOConfig(output_dir="/tmp/trl-golden", report_to="none", use_cpu=True, max_length=None, bf16=False)
    data = Dataset.from_list(rows)
    made = DPOTrainer(model=model, ref_model=copy.deepcopy(model), args=config, train_dataset=data, processing_class=processing_class).train_dataset
    return [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in made]


def main():
    processing_class = tokenizer()
    folder = pathlib.Path("/tmp/chat-golden-tokenizer")
    processing_class.save_pretrained(folder)
    result = {file: json.load(open(folder / file)) for file in ("tokenizer.json", "tokenizer_config.json")}
    result["templates"] = {}
    for name, template in TEMPLATES.items():
        processing_class.chat_template = template
        rendered = []
        for messages, variables in CONVERSATIONS:
            # the other templates know neither a list (written out as Python does it) nor a turn without content
            lists, none = isinstance(messages[0]["content"], list), any(message["content"] is None for message in messages)
            if (lists and name not in ("gemma", "thinking")) or (none and name != "thinking"):
                continue
            for generation in (False, True):
                row = dict(messages=messages, variables={**DATE, **variables}, generationPrompt=generation)
                try:
                    row["text"] = processing_class.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation, **row["variables"])
                except (jinja2.exceptions.TemplateError, TypeError) as error:
                    row["error"] = str(error)
                rendered.append(row)
        rows = [{**pair, "chat_template_kwargs": DATE} for pair in PAIRS]
        if name == "thinking":
            rows = [{**pair, "chat_template_kwargs": {"enable_thinking": False}, "tools": json.dumps([{"name": "purr", "x": [1, 2.5]}])} for pair in PAIRS]
        explicit = trl_rows(processing_class, rows)
        implicit = trl_rows(processing_class, [{**pair, "chat_template_kwargs": DATE} for pair in IMPLICIT])
        pairs = [{**line, **ids} for line, ids in zip(rows + [{**pair, "chat_template_kwargs": DATE} for pair in IMPLICIT], explicit + implicit)]
        result["templates"][name] = dict(template=template, rendered=rendered, pairs=pairs)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, ensure_ascii=False) + "\n")
    lines = [{**pair, "chat_template_kwargs": DATE} for pair in PAIRS]
    pq.write_table(pa.Table.from_pylist(lines), path.parent / "parquet" / "conversations.parquet")


main()
