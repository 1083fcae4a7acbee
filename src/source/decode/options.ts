import { z } from 'zod'
import { binaryOptions } from './binary.ts'
import { wordsOptions } from './words.ts'

const column = z.string().regex(/^[a-z_][a-z0-9_]*$/, 'is not a column name: lower-case letters, digits and _')

const csvOptions = z
  .strictObject({
    csv: z
      .array(column)
      .min(1)
      .max(500)
      .refine(columns => new Set(columns).size === columns.length, 'names a column twice')
      .describe('Columns of separated values, in their order; each becomes a field.'),
    separator: z
      .string()
      .regex(/^(?:[^"\r\n\\]|\\t|\\x[0-7][0-9a-fA-F])$/, 'is one character, such as ";", or "\\t" for a tab')
      .default(',')
      .describe('What stands between two values, such as ";"; "\\t" for a tab.'),
    decimal: z.enum(['.', ',']).default('.').describe('What stands before the decimals of a number.'),
  })
  .refine(({ separator, decimal }) => separator !== decimal || decimal === '.', {
    message: 'cannot be a comma where values are separated by commas',
    path: ['decimal'],
  })
export type CsvOptions = z.output<typeof csvOptions>

/** `decode:` of a source in a pipeline file: a name, or one key with its options. */
export const decodeOptions = z
  .union(
    [
      z.enum(['raw', 'json', 'nmea', 'telegram']),
      csvOptions,
      z.strictObject({ words: wordsOptions.describe('Words with blanks between, by name.') }),
      z.strictObject({ binary: binaryOptions.describe('Numbers at fixed places of a record.') }),
    ],
    'has to be raw, json, nmea, telegram, { csv: [column, …] }, { words: … } or { binary: … }',
  )
  .describe(
    'How a record is read: raw (the bytes as they are), json, nmea (NMEA 0183, with AIS), telegram (smart meters: DSMR, IEC 62056-21), csv with its columns, words with blanks between, or binary numbers. What cannot be read stays as it came, with a header that says why.',
  )
export type DecodeOptions = z.output<typeof decodeOptions>

/** Columns that a decoder names; empty where it names none. */
export function columnsOf(decode: DecodeOptions): readonly string[] {
  if (typeof decode !== 'object') return []
  if ('words' in decode) return decode.words.names
  return 'binary' in decode ? decode.binary.fields.map(({ name }) => name) : decode.csv
}
