"""Parquet files of pairs, as `datasets` pushes them: python test/goldens/parquet.py (pyarrow 26)."""
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path(__file__).parent / "parquet"
folder.mkdir(exist_ok=True)
rows = [{"prompt": f"Frage {i}: größer", "chosen": f" ja {i}", "rejected": f" nein {i} 愚", "score": i / 2} for i in range(5)]
pq.write_table(pa.Table.from_pylist(rows[:3]), folder / "snappy.parquet", compression="snappy")
pq.write_table(pa.Table.from_pylist(rows[3:]), folder / "zstd.parquet", compression="zstd", row_group_size=1)
