"""Questions people really have, worked out: the page offers them, the guide explains them, a test asks every one."""

from dataclasses import dataclass

from dothi.model.text import Text


@dataclass(frozen=True, slots=True)
class Example:
    """A question in words and in SQL; ``view`` is how its answer is best seen."""

    title: Text
    sql: str
    view: str


# Which readings are behind the share of doubtful ones that the data page names.
DOUBTFUL = Example(
    Text(
        "Trạm nào gửi nhiều số đo đáng ngờ nhất trong 24 giờ qua?",
        "Which stations sent most doubtful readings in the last 24 hours?",
    ),
    """SELECT name, attribute, grade, count(*) AS readings, max(observed_at) AS last_one
FROM readings
WHERE grade <> 'good' AND observed_at >= now() - INTERVAL 1 DAY
GROUP BY name, attribute, grade
ORDER BY readings DESC
LIMIT 50""",
    "table",
)
EXAMPLES = (
    Example(
        Text("Giờ nào trong ngày PM2.5 hay vượt 50?", "At which hour of the day does PM2.5 exceed 50 most often?"),
        """SELECT lpad(hour(hour)::VARCHAR, 2, '0') AS hour_of_day,
       count(*) FILTER (WHERE mean > 50) AS times_above_50,
       round(avg(mean), 1) AS mean_pm25
FROM readings_hourly
WHERE attribute = 'pm25' AND hour >= now() - INTERVAL 7 DAYS
GROUP BY hour_of_day
ORDER BY hour_of_day""",
        "chart",
    ),
    Example(
        Text("PM2.5 trung bình của từng phường lúc này?", "What is the mean PM2.5 of each ward now?"),
        """SELECT ward, ward_name, round(avg(value), 1) AS pm25, count(*) AS stations
FROM latest
WHERE attribute = 'pm25' AND grade <> 'bad' AND ward IS NOT NULL
GROUP BY ward, ward_name
ORDER BY pm25 DESC""",
        "map",
    ),
    Example(
        Text("Trạm nào im lặng, từ bao giờ?", "Which stations are silent, and since when?"),
        """SELECT name, state, last_seen, date_diff('minute', last_seen, now()) AS minutes_silent,
       ward_name, longitude, latitude
FROM devices
WHERE state IN ('late', 'silent', 'never')
ORDER BY last_seen NULLS FIRST""",
        "table",
    ),
    Example(
        Text(
            "Một ngày qua của ba trạm có PM2.5 cao nhất?", "How was the last day at the three stations with the most PM2.5?"
        ),
        """WITH worst AS (
  SELECT entity FROM latest
  WHERE attribute = 'pm25' AND grade <> 'bad'
  ORDER BY value DESC LIMIT 3
)
SELECT hour, name, round(mean, 1) AS pm25
FROM readings_hourly SEMI JOIN worst USING (entity)
WHERE attribute = 'pm25' AND hour >= now() - INTERVAL 1 DAY
ORDER BY hour""",
        "chart",
    ),
    DOUBTFUL,
)
