import { z } from 'zod'
import { fieldName } from '../../record/fields.ts'
import { escapedBytes } from '../framing/options.ts'
import type { Flowing } from './flowing.ts'
import { defineStep } from './step.ts'

/** Records that one may become: they are stored together. */
const PARTS_MAX = 10_000

function byDelimiter(record: Flowing, delimiter: Buffer): Flowing[] | undefined {
  const { bytes } = record
  const parts: Flowing[] = []
  for (let from = 0; from <= bytes.length; ) {
    const at = bytes.indexOf(delimiter, from)
    const to = at < 0 ? bytes.length : at
    if (to > from) parts.push(record.withBytes(bytes.subarray(from, to)))
    if (parts.length > PARTS_MAX) return undefined
    from = to + delimiter.length
  }
  return parts
}

function byField(record: Flowing, name: string): Flowing[] | undefined {
  const list = record.fields?.[name]
  if (!Array.isArray(list) || list.length > PARTS_MAX) return undefined
  const { [name]: _list, ...others } = record.fields ?? {}
  return list.map(part => record.withFields({ ...others, ...(isMapping(part) ? part : { [name]: part }) }))
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const split = defineStep({
  kind: 'split',
  summary:
    'Makes several records out of one: by the elements of a list in it, or at a delimiter. One that holds nothing is counted as left out.',
  options: z
    .strictObject({
      field: fieldName
        .optional()
        .describe(
          'A field that is a list: each element becomes a record, with the other fields beside it. One that is a mapping gives its own fields; another is a field of that name.',
        ),
      delimiter: z
        .string()
        .min(1)
        .max(16)
        .optional()
        .describe('What the record is cut at, such as "\\n"; it is not decoded again.'),
    })
    .refine(
      options => (options.field === undefined) !== (options.delimiter === undefined),
      'needs either `field` or `delimiter`',
    ),
  open: ({ field, delimiter = '' }, context) => {
    const border = escapedBytes(delimiter)
    return {
      take: record => {
        const parts = field === undefined ? byDelimiter(record, border) : byField(record, field)
        if (!parts) {
          context.unread()
          context.pass(record)
          return
        }
        if (parts.length === 0) context.withhold()
        for (const [index, part] of parts.entries()) {
          // They are stored together, so that a restart reads either all of them again or none.
          const isLast = index === parts.length - 1
          const bookmark = isLast || record.bookmark === undefined ? record.bookmark : null
          context.pass(part.withBookmark(bookmark))
        }
      },
    }
  },
})
