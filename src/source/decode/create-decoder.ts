import { binaryDecoder } from './binary.ts'
import { csvDecoder } from './csv.ts'
import type { Decoder, OnTrouble } from './decoder.ts'
import { decodeJson } from './json.ts'
import { nmeaDecoder } from './nmea.ts'
import type { DecodeOptions } from './options.ts'
import { decodeTelegram } from './telegram.ts'
import { wordsDecoder } from './words.ts'

/** The decoder that a pipeline file names; undefined for `raw`, which leaves every byte alone. One for each source: some keep parts of messages. */
export function createDecoder(decode: DecodeOptions, onTrouble: OnTrouble = () => {}): Decoder | undefined {
  if (decode === 'raw') return undefined
  if (decode === 'json') return decodeJson
  if (decode === 'telegram') return decodeTelegram
  if (decode === 'nmea') return nmeaDecoder(onTrouble)
  if ('words' in decode) return wordsDecoder(decode.words)
  return 'binary' in decode ? binaryDecoder(decode.binary) : csvDecoder(decode)
}
