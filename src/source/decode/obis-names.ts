/** What a value is: a number with or without a unit; text; text as hexadecimal octets; a time; a value with the time at which it was metered. */
export type ObisForm = 'number' | 'text' | 'octets' | 'time' | 'metered'

interface Known {
  readonly name: string
  readonly form: ObisForm
}

/*
  DSMR P1 companion standard 5.0.2, table 6.12 ("Representation of COSEM objects"); the same addresses without A-B: are those of IEC 62056-61 (EN 13757
  for M-Bus: channel n of `0-n:` is a meter behind the meter).
*/
const NAMES: Readonly<Record<string, Known>> = {
  '1-3:0.2.8': { name: 'version', form: 'text' },
  '0-0:1.0.0': { name: 'time', form: 'time' },
  '0-0:96.1.1': { name: 'equipment_id', form: 'octets' },
  '1-0:1.8.0': { name: 'import', form: 'number' },
  '1-0:1.8.1': { name: 'import_tariff_1', form: 'number' },
  '1-0:1.8.2': { name: 'import_tariff_2', form: 'number' },
  '1-0:2.8.0': { name: 'export', form: 'number' },
  '1-0:2.8.1': { name: 'export_tariff_1', form: 'number' },
  '1-0:2.8.2': { name: 'export_tariff_2', form: 'number' },
  '0-0:96.14.0': { name: 'tariff', form: 'number' },
  '1-0:1.7.0': { name: 'import_power', form: 'number' },
  '1-0:2.7.0': { name: 'export_power', form: 'number' },
  '0-0:17.0.0': { name: 'threshold', form: 'number' },
  '0-0:96.3.10': { name: 'switch', form: 'number' },
  '0-0:96.7.21': { name: 'power_failures', form: 'number' },
  '0-0:96.7.9': { name: 'long_power_failures', form: 'number' },
  '1-0:32.32.0': { name: 'l1_voltage_sags', form: 'number' },
  '1-0:52.32.0': { name: 'l2_voltage_sags', form: 'number' },
  '1-0:72.32.0': { name: 'l3_voltage_sags', form: 'number' },
  '1-0:32.36.0': { name: 'l1_voltage_swells', form: 'number' },
  '1-0:52.36.0': { name: 'l2_voltage_swells', form: 'number' },
  '1-0:72.36.0': { name: 'l3_voltage_swells', form: 'number' },
  '0-0:96.13.0': { name: 'message', form: 'octets' },
  '0-0:96.13.1': { name: 'message_code', form: 'octets' },
  '1-0:32.7.0': { name: 'l1_voltage', form: 'number' },
  '1-0:52.7.0': { name: 'l2_voltage', form: 'number' },
  '1-0:72.7.0': { name: 'l3_voltage', form: 'number' },
  '1-0:31.7.0': { name: 'l1_current', form: 'number' },
  '1-0:51.7.0': { name: 'l2_current', form: 'number' },
  '1-0:71.7.0': { name: 'l3_current', form: 'number' },
  '1-0:21.7.0': { name: 'l1_import_power', form: 'number' },
  '1-0:41.7.0': { name: 'l2_import_power', form: 'number' },
  '1-0:61.7.0': { name: 'l3_import_power', form: 'number' },
  '1-0:22.7.0': { name: 'l1_export_power', form: 'number' },
  '1-0:42.7.0': { name: 'l2_export_power', form: 'number' },
  '1-0:62.7.0': { name: 'l3_export_power', form: 'number' },
}

const BEHIND: Readonly<Record<string, Known>> = {
  '24.1.0': { name: 'type', form: 'text' },
  '96.1.0': { name: 'id', form: 'octets' },
  '24.2.1': { name: 'reading', form: 'metered' },
  '24.3.0': { name: 'reading', form: 'metered' },
  '24.4.0': { name: 'valve', form: 'number' },
}

/** The usual name of an address; undefined where it has none. Meters behind the meter become `mbus_1_…` to `mbus_4_…`. */
export function nameOf(address: string): Known | undefined {
  const known = NAMES[address] ?? NAMES[`1-0:${address}`] ?? NAMES[`0-0:${address}`]
  if (known) return known
  const [, channel, object = ''] = /^0-([1-4]):(.+)$/.exec(address) ?? []
  const behind = BEHIND[object]
  return channel && behind ? { name: `mbus_${channel}_${behind.name}`, form: behind.form } : undefined
}
