import type { z } from 'zod'
import { messageOf } from '../runtime/errors.ts'

/** Of what is wrong with a message so much is told: its sender may have ten thousand sources wrong. */
const ISSUES_TOLD_MAX = 5

/** A message of JSON by its schema; as text, what is wrong with it. */
export function readJson<Schema extends z.ZodType>(schema: Schema, body: Buffer): { read: z.output<Schema> } | { wrong: string } {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (cause) {
    return { wrong: messageOf(cause) }
  }
  const read = schema.safeParse(value)
  if (read.success) return { read: read.data }
  const { issues } = read.error
  const told = issues.slice(0, ISSUES_TOLD_MAX).map(({ path, message }) => `${path.join('.')}: ${message}`)
  return { wrong: [...told, ...(issues.length > told.length ? [`and ${issues.length - told.length} more`] : [])].join('; ') }
}
