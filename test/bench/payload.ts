import { writeFileSync } from 'node:fs'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from '../../src/source/generator-payload.ts'

/** Different records in the file: more than a batch holds, so that compression finds no whole record twice. */
const LINES = 50_000

/** Writes the file of records that every contender sends: meter readings in JSON of about 100 bytes. Gives their mean size in bytes. */
export function writePayloadFile(path: string): number {
  const scratch = Buffer.alloc(PAYLOAD_BYTES_MAX)
  const seed = seedOf(1, 'bench')
  const lines: string[] = []
  for (let number = 0; number < LINES; number++) {
    const end = writePayload('meter', seed, number, 0, scratch, 0)
    lines.push(scratch.toString('latin1', 0, end))
  }
  const text = lines.join('\n')
  writeFileSync(path, text)
  return text.length / LINES - 1
}
