import { csvDecoder } from './csv.ts'
import type { Decoder } from './decoder.ts'
import { decodeJson } from './json.ts'
import { decodeNmea } from './nmea.ts'
import type { DecodeOptions } from './options.ts'

/** The decoder that a pipeline file names; undefined for `raw`, which leaves every byte alone. */
export function createDecoder(decode: DecodeOptions): Decoder | undefined {
  if (decode === 'raw') return undefined
  if (decode === 'json') return decodeJson
  return decode === 'nmea' ? decodeNmea : csvDecoder(decode.csv)
}
