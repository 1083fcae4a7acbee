import { z } from 'zod'
import { size } from '../runtime/units.ts'

const AMQP_URL = /^amqps?:\/\/[^\s/?#]+$/

const amqpUrl = z
  .string()
  .regex(AMQP_URL, 'is not an AMQP address: write amqp://host:port or amqps://host:port')
  .refine(url => !AMQP_URL.test(url) || URL.canParse(url), 'is not an address: no host is called so, or no port has that number')
  .refine(url => !url.includes('@'), 'has a name or password in it: write them under `sasl`, the password in a file')

const tlsFiles = z.strictObject({
  cert: z.string().min(1).optional().describe("File of the gateway's own certificate, PEM: its name is the gateway's."),
  key: z.string().min(1).optional().describe('File of the key that belongs to `cert`, PEM.'),
  ca: z.string().min(1).optional().describe("File of the authorities that may have signed the core's certificate, PEM."),
})

const sasl = z.strictObject({
  username: z.string().min(1).describe('Its name at the router or broker.'),
  password_file: z.string().min(1).describe('File whose first line is the password.'),
})

const HOURS = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/

const budgetOptions = z
  .strictObject({
    bytes_per_day: size({ min: '64KiB' }).optional().describe('About so much is sent in a day, from midnight to midnight.'),
    hours: z
      .array(z.string().regex(HOURS, 'is no span of a day: write 22:00-06:00'))
      .min(1)
      .max(24)
      .optional()
      .describe('When it may be sent; the link is down at all other times.'),
    timezone: z
      .string()
      .refine(isTimezone, 'is no time zone: write Europe/London, or UTC')
      .default('UTC')
      .describe('Where day and hours are meant.'),
    urgent: z
      .int()
      .min(-100)
      .max(100)
      .optional()
      .describe('Sources of this `priority` or above are sent at any hour, and past the bytes of the day.'),
  })
  .refine(options => options.bytes_per_day !== undefined || options.hours !== undefined, 'needs `bytes_per_day` or `hours`')
export type BudgetOptions = z.output<typeof budgetOptions>

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** `uplink:` in edge.yaml. */
export const uplinkOptions = z
  .strictObject({
    url: amqpUrl.optional().describe('Where the core, the router or the broker listens.'),
    urls: z.array(amqpUrl).min(1).max(16).optional().describe('Several of them, tried in turn.'),
    tls: tlsFiles.optional().describe('Certificates, for amqps. Without them those are used that `headrace enroll` got.'),
    sasl: sasl.optional().describe('Logs in with SASL PLAIN, at a router or broker.'),
    renew_at: amqpUrl
      .refine(url => url.startsWith('amqps:'), 'has to be amqps: the gateway checks who answers there')
      .optional()
      .describe(
        'A core that listens, for gateways that otherwise come through a router or broker: `headrace enroll` asks there, and a gateway whose certificate has ended, which no router or broker lets in.',
      ),
    budget: budgetOptions.optional().describe('For a link that costs money. Sources of higher `priority` go first.'),
    mode: z
      .enum(['direct', 'router', 'broker'])
      .default('direct')
      .describe('What is at the other end: the core itself, an AMQP router, or a broker that stores and forwards.'),
  })
  .refine(options => (options.url === undefined) !== (options.urls === undefined), 'needs either `url` or `urls`')
  .refine(
    options => options.renew_at === undefined || options.mode !== 'direct',
    '`renew_at` is for `mode: router` and `mode: broker`: a core lets in whose certificate has ended, to have it renewed',
  )
export type UplinkOptions = z.output<typeof uplinkOptions>

/** The addresses to try, in turn. */
export function uplinkUrls(options: UplinkOptions): readonly string[] {
  return options.urls ?? (options.url === undefined ? [] : [options.url])
}
