import { z } from 'zod'
import { sourceBufferOptions } from '../buffer/options.ts'
import { batchJobOptions } from '../reader/batch/options.ts'
import { retentionOptions } from '../reader/batch/retention-options.ts'
import { analyserOptions } from '../reader/realtime/options.ts'
import { fieldsOptions } from '../record/fields.ts'
import { NAME_PATTERN, NAME_RULE } from '../runtime/names.ts'
import { duration } from '../runtime/units.ts'
import { columnsOf, decodeOptions } from '../source/decode/options.ts'
import { timeOptions } from '../source/device-time.ts'
import { frameOptions } from '../source/framing/options.ts'
import { SOURCE_KINDS } from '../source/kinds.ts'
import { stepsOptions } from '../source/steps/options.ts'
import { analyserTests } from './analyser-tests.ts'

export const name = z.string().regex(NAME_PATTERN, NAME_RULE)

const kindNames = SOURCE_KINDS.map(kind => kind.kind)

const sourceShape = Object.fromEntries(
  SOURCE_KINDS.map(kind => [kind.kind, kind.options.optional().describe(kind.summary)]),
) as Record<string, z.ZodOptional<z.ZodType>>

const sourceSchema = z
  .strictObject({
    ...sourceShape,
    frame: frameOptions.optional().describe('How the stream is cut into records; into lines, unless set.'),
    decode: decodeOptions.optional().describe('How a record is read; left as it is, unless set.'),
    time: timeOptions.optional().describe("Where the device says the event time; the gateway's, unless set."),
    fields: fieldsOptions
      .default({})
      .describe('What is known of the fields before the steps: types and units. `status` shows what they are behind the steps.'),
    steps: stepsOptions
      .default([])
      .describe(
        'What is done to each record before it is buffered, in this order. What a step withholds is counted in `status`.',
      ),
    buffer: sourceBufferOptions.prefault({}).describe('How the source is buffered.'),
  })
  .superRefine((source, context) => {
    const columns = columnsOf(source.decode ?? 'raw')
    for (const field of [source.time?.field ?? []].flat()) {
      if (columns.length === 0 || columns.includes(field)) continue
      context.addIssue({
        code: 'custom',
        path: ['time', 'field'],
        message: `names "${field}", which is none of the columns that are decoded`,
      })
    }
    const { gather, ask } = (source as { serial?: { gather?: number; ask?: { iec62056?: object } } }).serial ?? {}
    if (ask?.iec62056 !== undefined && source.frame?.telegram !== 'iec62056') {
      context.addIssue({
        code: 'custom',
        path: ['serial', 'ask', 'iec62056'],
        message: 'gets telegrams: it needs `frame: { telegram: iec62056 }` beside `serial`, and mostly `decode: telegram`',
      })
    }
    if (gather !== undefined && source.frame?.silence !== undefined && gather >= source.frame.silence) {
      context.addIssue({
        code: 'custom',
        path: ['serial', 'gather'],
        message: 'hides the pauses that tell records apart: leave it out, or make it shorter than `silence`',
      })
    }
    const given = kindNames.filter(kind => (source as Record<string, unknown>)[kind] !== undefined)
    if (given.length === 1) return
    const message =
      given.length === 0
        ? `needs to say what it reads: one of ${kindNames.join(', ')}`
        : `reads one thing, not ${given.length}: ${given.join(', ')}`
    context.addIssue({ code: 'custom', message })
  })

/** A pipeline file. */
export const pipelineSchema = z.strictObject({
  pipeline: name.describe('Its name.'),
  topic: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'is no topic: letters, digits, . _ and -')
    .optional()
    .describe('The Kafka topic; the name of the pipeline, unless set.'),
  durability: duration({ max: '60s' })
    .default(50)
    .describe(
      'What a power cut may take: a record is on disk this long after it was read. 50ms is a good measure, 1s suits an SD card, 0 an SSD.',
    ),
  sources: z.record(name, sourceSchema).default({}).describe('What it reads, by name.'),
  batch: z.record(name, batchJobOptions).default({}).describe('Batch jobs, by name.'),
  retention: retentionOptions.optional().describe('What is deleted of its records; nothing, unless set.'),
  analysers: z.record(name, analyserOptions).default({}).describe('Analysers, by name.'),
  tests: analyserTests.default({}).describe('Tests of the analysers, by what they say; run by `headrace test`.'),
})
export type PipelineConfig = z.output<typeof pipelineSchema>
export type SourceConfig = PipelineConfig['sources'][string]
