/** Whether `YYYY-MM-DD` is a day of the calendar: the 30th of February would pass for the 2nd of March. */
export function isDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}
