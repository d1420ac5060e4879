import { CsvError, parse, type Info } from 'csv-parse/sync';
import { UserError } from '../util/errors';

/** A table with a header: its column names, and its rows with the line each starts at. */
export interface Table {
  columns: string[];
  rows: { line: number; cells: string[] }[];
}

/**
 * Parses CSV or TSV with a header. Quoted fields may hold line breaks; a quotation mark inside an unquoted field is text.
 * @throws UserError naming file and line for a quote that never closes, a row of the wrong width, or a column named twice
 */
export function readTable(text: string, delimiter: ',' | '\t', path: string): Table {
  let records: { record: string[]; info: Info }[];
  try {
    records = parse(text, {
      delimiter,
      info: true,
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as typeof records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UserError(`${path}:${Number(error.lines) || 1}: ${error.message}`);
  }
  if (records.length === 0) return { columns: [], rows: [] };
  const columns = records[0].record.map((name) => name.trim());
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`${path}:1: two columns are named "${twice}"`);
  const rows = records.slice(1).map(({ record, info }) => {
    // csv-parse counts to the record's last line
    const line = info.lines - record.reduce((breaks, cell) => breaks + cell.split(/\r\n|\n|\r/).length - 1, 0);
    if (record.length !== columns.length)
      throw new UserError(`${path}:${line}: ${record.length} fields, but the header names ${columns.length} (${columns.join(', ')})`);
    return { line, cells: record };
  });
  return { columns, rows };
}
