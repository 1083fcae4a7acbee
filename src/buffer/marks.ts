import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { writeDurably } from './durable-file.ts'

const assignmentSchema = z.object({
  log: z.string(),
  topic: z.string(),
  partition: z.int(),
  producerId: z.int(),
  epoch: z.int(),
  epochStart: z.int(),
  batchBytesMax: z.int().optional(),
})

const marksSchema = z.object({
  version: z.literal(1),
  session: z.int().min(0),
  sources: z.record(z.string(), z.object({ topic: z.string(), mark: z.int().min(0), assignment: assignmentSchema.nullable() })),
})

/**
 * What has to outlive the database: no number at or above a source's `mark` was ever given away, and no session above `session` used. Kept beside it
 * in `marks.json`, reserved ahead, so that it is written seldom.
 */
export type Marks = z.output<typeof marksSchema>

export function readMarks(path: string): Marks {
  if (!existsSync(path)) return { version: 1, session: 0, sources: {} }
  try {
    return marksSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    throw new HeadraceError('buffer_corrupt', `${path} cannot be read: it says which numbers were given away`, {
      advice:
        'Restore it from a backup. If there is none, move the whole state directory away: the gateway then is a new one to the core, and each source has to be resumed by a person.',
      cause,
    })
  }
}

const identitySchema = z.object({ instance: z.string().min(8).max(64), machine: z.string() })

/**
 * The instance that this state directory belongs to: made with it, and bound to the machine, so that a disk that is cloned into another machine is
 * another instance. So is one whose file was damaged: it goes on reading its devices, and the core asks a person which one is real.
 */
export function readInstance(path: string, machineIdPath = '/etc/machine-id'): string {
  const machineId = existsSync(machineIdPath) ? readFileSync(machineIdPath, 'utf8').trim() : ''
  const machine = createHash('sha256').update(`headrace ${machineId}`).digest('hex').slice(0, 32)
  const kept = existsSync(path) ? identitySchema.safeParse(parseJson(readFileSync(path, 'utf8'))).data : undefined
  if (kept?.machine === machine) return kept.instance
  const instance = randomBytes(12).toString('hex')
  writeDurably(path, JSON.stringify({ instance, machine }))
  return instance
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
