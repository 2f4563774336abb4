#include "mail/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char week_days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void
date_init(void)
{
	tzset();
}

static time_t
seconds_of(int64_t wall)
{
	/* Towards the past, also before 1970. */
	return (time_t)(wall / SECOND - (wall % SECOND < 0));
}

/* A time that no calendar has (a year beyond int) counts as 1970. localtime_r reads no file once tzset has run. */
static void
broken_down(time_t sec, struct tm *tm)
{
	time_t epoch = 0;
	if (localtime_r(&sec, tm) == NULL || tm->tm_year < -1900 || tm->tm_year > 8099)
		gmtime_r(&epoch, tm);
}

static size_t
format(time_t sec, char out[DATE_TEXT])
{
	struct tm tm;
	broken_down(sec, &tm);
	long off = tm.tm_gmtoff / 60;
	char sign = off < 0 ? '-' : '+';
	if (off < 0)
		off = -off;
	const char *zone = tm.tm_zone == NULL ? "" : tm.tm_zone;
	int n = snprintf(out, DATE_TEXT, "%.3s, %2d %.3s %d %02d:%02d:%02d %c%02ld%02ld%s%.10s%s",
	    week_days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, sign, off / 60 % 100, off % 60, *zone ? " (" : "", zone, *zone ? ")" : "");
	return n < 0 ? 0 : (size_t)n;
}

size_t
date_text(int64_t wall, char out[DATE_TEXT])
{
	static time_t cached_sec;
	static char cached[DATE_TEXT];
	static size_t cached_len;
	time_t sec = seconds_of(wall);
	if (cached_len == 0 || sec != cached_sec) {
		cached_len = format(sec, cached);
		cached_sec = sec;
	}
	memcpy(out, cached, cached_len + 1);
	return cached_len;
}

size_t
date_mbox(int64_t wall, char out[DATE_TEXT])
{
	struct tm tm;
	broken_down(seconds_of(wall), &tm);
	int n = snprintf(out, DATE_TEXT, "%.3s %.3s %2d %02d:%02d:%02d %d", week_days + 3 * tm.tm_wday,
	    months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
	return n < 0 ? 0 : (size_t)n;
}

size_t
date_compact(int64_t wall, char out[DATE_TEXT])
{
	struct tm tm;
	time_t sec = seconds_of(wall);
	if (gmtime_r(&sec, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 8099) {
		sec = 0;
		gmtime_r(&sec, &tm);
	}
	int n = snprintf(out, DATE_TEXT, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	return n < 0 ? 0 : (size_t)n;
}
