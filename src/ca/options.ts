import { z } from 'zod'
import { duration } from '../runtime/units.ts'

/** `ca:` in core.yaml. */
export const caOptions = z.strictObject({
  folder: z
    .string()
    .min(1)
    .optional()
    .describe('Where `headrace ca init` made the authority; `ca` in the state directory unless set.'),
  certificate_life: duration({ min: '10s', max: '3650d' })
    .prefault('90d')
    .describe("How long a gateway's certificate is good. It is renewed by itself when two thirds of that are over."),
  grace: duration({ min: '0', max: '3650d' })
    .prefault('365d')
    .describe(
      'For so long after its end a certificate is still good for being renewed, and for nothing else: for gateways that were away.',
    ),
})
export type CaOptions = z.output<typeof caOptions>
