import { z } from 'zod'
import { hostAndPort } from '../runtime/addresses.ts'

const address = hostAndPort.refine(text => text.split(':').length <= 2, 'is not an address: write host:port')

const kafka = z.strictObject({
  brokers: z
    .array(address)
    .min(1)
    .max(64)
    .describe('Addresses of some of the brokers, host:port; the others are found through them.'),
  client_id: z
    .string()
    .min(1)
    .max(200)
    .default('headrace')
    .describe("The name under which the brokers' logs and quotas know this core."),
  replication: z
    .int()
    .min(1)
    .max(9)
    .optional()
    .describe('Replicas of new topics; 3 where there are three brokers, otherwise 1, unless set.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe("File of the authorities that signed the brokers' certificates, PEM."),
      cert: z.string().optional().describe("File of this core's own certificate, PEM."),
      key: z.string().optional().describe('File of the key that belongs to `cert`, PEM.'),
    })
    .optional()
    .describe('Connects with TLS.'),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).describe('How the core proves who it is.'),
      username: z.string().min(1).describe('Its name.'),
      password_file: z.string().min(1).describe('File whose first line is the password.'),
    })
    .optional()
    .describe('Logs in with SASL.'),
})

const sqlite = z.strictObject({
  path: z.string().min(1).optional().describe('The database file; `log.db` in the state directory unless set.'),
})

/** `log:` in core.yaml. */
export const logOptions = z
  .strictObject({
    kafka: kafka.optional().describe('Kafka: for production.'),
    sqlite: sqlite.optional().describe('SQLite: the embedded log of one machine.'),
  })
  .refine(options => (options.kafka === undefined) !== (options.sqlite === undefined), 'needs either `kafka` or `sqlite`')
export type LogOptions = z.output<typeof logOptions>
export type KafkaOptions = z.output<typeof kafka>
