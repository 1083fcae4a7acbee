import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { toJson } from './csv.ts'
import type { Decoded, Decoder } from './decoder.ts'

const wordName = z.string().regex(/^[a-z_][a-z0-9_]*$/, 'is not a name: lower-case letters, digits and _')

/** `decode: { words: … }`: what scales, power supplies and many small instruments answer. */
export const wordsOptions = z.strictObject({
  names: z.array(wordName).min(1).max(200).describe('Names of the words, in their order; each becomes a field.'),
  text: z
    .array(wordName)
    .default([])
    .describe('Of these, what stays text though it looks like a number, such as flags 00110000.'),
  begins: z.string().max(16).default('').describe('What stands before the first word and is passed over, such as "(".'),
})
export type WordsOptions = z.output<typeof wordsOptions>

/** Words with blanks between: one line becomes a JSON object. */
export function wordsDecoder({ names, text, begins }: WordsOptions): Decoder {
  return (bytes, from, to): Decoded => {
    const raw = bytes.subarray(from, to)
    // Instruments that are older than UTF-8 write a degree sign as one byte.
    const line = raw.toString(isUtf8(raw) ? 'utf8' : 'latin1').trim()
    if (!line.startsWith(begins)) return { error: `does not begin with ${JSON.stringify(begins)}` }
    const words = line.slice(begins.length).trim().split(/\s+/)
    if (words.length !== names.length) return { error: `${words.length} words for ${names.length} names` }
    const fields = names.map((name, index) => {
      const word = words[index] ?? ''
      return `${JSON.stringify(name)}:${text.includes(name) ? JSON.stringify(word) : toJson(word)}`
    })
    return { value: Buffer.from(`{${fields.join(',')}}`) }
  }
}
