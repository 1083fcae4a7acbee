import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'
import { nearest } from '../runtime/nearest.ts'
import { duration } from '../runtime/units.ts'

const FOLDER = fileURLToPath(new URL('../../hardware/gateways/', import.meta.url))

/** hardware/gateways/<name>.yaml */
export const gatewaySchema = z.strictObject({
  gateway: z.string().min(5),
  sources: z.array(z.string().min(15)).min(1).describe('Documents that it was taken from.'),
  confirmed: z.array(z.string().min(15)).min(1).describe('What somebody else has published as well, and where.'),
  unconfirmed: z.array(z.string().min(15)).min(1).describe('What was found in one document only, or in none.'),
  serial: z
    .array(
      z.strictObject({
        path: z.string().startsWith('/dev/'),
        is: z.string().describe('What is connected where.'),
        rs485: z.string().describe('Who switches the direction of RS-485, and how it is set.'),
      }),
    )
    .min(1),
  watchdog: z.strictObject({ device: z.string().startsWith('/dev/').nullable(), note: z.string() }),
  storage: z.strictObject({
    kind: z.enum(['sd_card', 'emmc', 'ssd']),
    durability: duration({ max: '60s' }).describe('What suits it.'),
    note: z.string(),
  }),
  clock: z.strictObject({ battery: z.enum(['yes', 'no', 'option']), note: z.string() }),
  wiring: z.array(z.string()).min(1),
})
export type GatewayProfile = z.output<typeof gatewaySchema>

export function gatewayNames(): string[] {
  return readdirSync(FOLDER)
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .toSorted()
}

/** Throws `not_found` where there is no profile of that name. */
export function loadGateway(name: string): GatewayProfile {
  const names = gatewayNames()
  if (!names.includes(name)) {
    const meant = nearest(name, names)
    throw new HeadraceError('not_found', `"${name}" is no profile of a gateway${meant ? `; did you mean "${meant}"?` : ''}`, {
      advice: `Known are ${names.join(', ')}.`,
    })
  }
  return gatewaySchema.parse(parse(readFileSync(`${FOLDER}${name}.yaml`, 'utf8')))
}
