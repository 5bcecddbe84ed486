// The page of one ward with a script: its chart and the map of its ground.
import "./charts";
import "./places";
import "./left";
import "./work.css";
import "./wards.css";
