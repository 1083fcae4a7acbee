import { readFileSync, statSync } from 'node:fs'
import type { z } from 'zod'
import { fileReasonOf, HeadraceError } from '../runtime/errors.ts'
import { type CaptureHead, type CaptureItem, captureHeadSchema, captureItemSchema } from '../source/capture.ts'

/** A capture that is read whole; longer ones are cut with a text editor. */
const FILE_BYTES_MAX = 512 * 2 ** 20

export interface CaptureFile {
  readonly head: CaptureHead
  readonly items: readonly CaptureItem[]
}

/** Reads a capture; throws `config_invalid` with FILE:LINE where it is none. The last line may be half written. */
export function readCapture(file: string): CaptureFile {
  const lines = textOf(file).split('\n')
  const whole = lines.slice(0, -1)
  const [first, ...rest] = whole
  if (first === undefined) throw new HeadraceError('config_invalid', `${file}: is empty, and no capture`)
  const head = parseLine(captureHeadSchema, first, file, 1)
  const items = rest.map((line, index) => parseLine(captureItemSchema, line, file, index + 2))
  return { head, items }
}

function textOf(file: string): string {
  try {
    if (statSync(file).size <= FILE_BYTES_MAX) return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new HeadraceError('config_invalid', `${file}: cannot be read: ${fileReasonOf(cause)}`, { cause })
  }
  throw new HeadraceError('config_invalid', `${file}: a capture may have at most ${FILE_BYTES_MAX} bytes`)
}

function parseLine<Schema extends z.ZodType>(schema: Schema, line: string, file: string, number: number): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(line))
  } catch (cause) {
    throw new HeadraceError('config_invalid', `${file}:${number}:1: is no line of a capture`, {
      advice: 'Captures are made by "headrace capture".',
      cause,
    })
  }
}
