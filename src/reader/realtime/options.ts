import { z } from 'zod'
import { ANALYSER_KINDS } from '../../analyser/kinds.ts'

const sourceGlob = z
  .string()
  .regex(/^[a-z0-9*?-]+(\/[a-z0-9*?-]+)?$/, 'is not a source glob, such as compressor-* or plant-a-1/meter-?')

export const alertOptions = z
  .strictObject({
    command: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('A command, started without a shell; it reads the alert as JSON on its standard input.'),
    webhook: z
      .url({ protocol: /^https?$/, error: 'is no address of the web: write http://… or https://…' })
      .optional()
      .describe('An address to which the alert is posted as JSON; the header Idempotency-Key tells a repeat.'),
    topic: z
      .string()
      .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'is no topic: letters, digits, . _ and -')
      .optional()
      .describe('A topic to which the alert is written as JSON; the analyser has a partition of its own there.'),
  })
  .refine(
    alert => alert.command !== undefined || alert.webhook !== undefined || alert.topic !== undefined,
    'needs a command, a webhook or a topic',
  )
export type AlertOptions = z.output<typeof alertOptions>

const common = {
  sources: z.array(sourceGlob).min(1).default(['*']).describe("Which of the pipeline's sources it watches, as globs."),
  alert: alertOptions.optional().describe('Where alerts go; they are always shown in the log and in `status`.'),
}

const [threshold, silence] = ANALYSER_KINDS
/** An analyser in a pipeline file: `analysers: { oil-too-hot: { … } }`; its kind is told by `when` or `silence`. */
export const analyserOptions = z.union([threshold.options.extend(common), silence.options.extend(common)])
export type AnalyserOptions = z.output<typeof analyserOptions>
