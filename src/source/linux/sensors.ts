import { join } from 'node:path'
import { reckoned } from '../digits.ts'
import { add, fieldOf, namesIn, numberOf, type Readings, textOf } from './attribute.ts'

/*
  hwmon    /sys/class/hwmon/hwmon<N>/{name, <type><n>_input, <type><n>_label}      kernel documentation, "hwmon/sysfs-interface"
             temp m°C, in mV, curr mA, power µW, energy µJ, humidity m%, fan rpm
  thermal  /sys/class/thermal/thermal_zone<N>/{type, temp}                           "thermal/sysfs-api", m°C
  iio      /sys/bus/iio/devices/iio:device<N>/{name, in_<channel>_{raw, offset, scale, input}}   "ABI/testing/sysfs-bus-iio"
             input is in units; otherwise (raw + offset) · scale, where both may be the channel's or its type's
*/
const HWMON_UNITS: Readonly<Record<string, { readonly unit: string; readonly scale: number }>> = {
  temp: { unit: 'c', scale: 1e-3 },
  in: { unit: 'v', scale: 1e-3 },
  curr: { unit: 'a', scale: 1e-3 },
  power: { unit: 'w', scale: 1e-6 },
  energy: { unit: 'j', scale: 1e-6 },
  humidity: { unit: 'percent', scale: 1e-3 },
  fan: { unit: 'rpm', scale: 1 },
}

export function readHwmon(root: string): Readings {
  const readings: Readings = {}
  const base = join(root, 'sys/class/hwmon')
  for (const chip of namesIn(base)) {
    const folder = join(base, chip)
    const name = textOf(folder, 'name') ?? chip
    for (const file of namesIn(folder)) {
      const [, type = '', number = ''] = /^([a-z]+)(\d+)_input$/.exec(file) ?? []
      const unit = HWMON_UNITS[type]
      if (!unit) continue
      const label = textOf(folder, `${type}${number}_label`) ?? `${type}${number}`
      add(readings, fieldOf(name, label, unit.unit), numberOf(folder, file), unit.scale)
    }
  }
  return readings
}

export function readThermal(root: string): Readings {
  const readings: Readings = {}
  const base = join(root, 'sys/class/thermal')
  for (const zone of namesIn(base)) {
    if (!/^thermal_zone\d+$/.test(zone)) continue
    add(readings, fieldOf(textOf(base, zone, 'type') ?? zone, 'c'), numberOf(base, zone, 'temp'), 1e-3)
  }
  return readings
}

export function readIio(root: string): Readings {
  const readings: Readings = {}
  const base = join(root, 'sys/bus/iio/devices')
  for (const device of namesIn(base)) {
    if (!device.startsWith('iio:device')) continue
    const folder = join(base, device)
    const name = textOf(folder, 'name') ?? device
    for (const file of namesIn(folder)) {
      const [, channel = '', how] = /^in_(.+)_(raw|input)$/.exec(file) ?? []
      if (how === undefined) continue
      // A channel that has both is read in units.
      if (how === 'raw' && numberOf(folder, `in_${channel}_input`) !== undefined) continue
      add(readings, fieldOf(name, channel), how === 'input' ? numberOf(folder, file) : fromRaw(folder, channel))
    }
  }
  return readings
}

function fromRaw(folder: string, channel: string): number | undefined {
  const raw = numberOf(folder, `in_${channel}_raw`)
  if (raw === undefined) return undefined
  // in_voltage0_scale, or in_voltage_scale for all of a type.
  const type = channel.replace(/\d+/g, '')
  const of = (what: string) => numberOf(folder, `in_${channel}_${what}`) ?? numberOf(folder, `in_${type}_${what}`)
  return reckoned((raw + (of('offset') ?? 0)) * (of('scale') ?? 1))
}
