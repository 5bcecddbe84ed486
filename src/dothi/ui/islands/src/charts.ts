// Charts for pages that have no map.
import "./chart";
import "./charts.css";
